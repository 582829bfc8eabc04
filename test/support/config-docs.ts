import { KEYS } from '../../src/config.js';

/** docs/config.md as it must be. */
export function renderConfigDocs(): string {
  const rows = Object.entries(KEYS).map(([key, { default: fallback, meaning, ...rest }]) => {
    const shown = fallback === '' ? '(empty)' : 'computed' in rest ? fallback : `\`${fallback}\``;
    return `| \`${key}\` | ${shown} | ${meaning}${'secret' in rest ? ` Also as \`${key}_FILE\`.` : ''} |`;
  });
  return `# Configuration

Generated from \`src/config.ts\` by \`npm run docs\`; do not edit.

Keys are read from the environment, and from a file \`.env\` in the working directory; the environment wins. A key that ends in \`_FILE\` names a file with the value.
A wrong or unknown \`DX_\` key stops the start with all faults listed (exit code 78). \`dx config\` prints the effective values.

| key | default | meaning |
|---|---|---|
${rows.join('\n')}
`;
}
