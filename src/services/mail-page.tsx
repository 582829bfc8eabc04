import { FRAME, type MailText } from './mail-texts.js';

// Mail programs know neither style sheets nor modern layout: tables, and each style where it is used.
const font = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Liberation Sans',sans-serif;font-size:17px;line-height:1.5;";
const small = 'color:#525b54;font-size:14px;';
const wrap = 'overflow-wrap:anywhere;word-break:break-word;';
const STYLE = `
  :root { color-scheme: light dark; }
  a:focus-visible { outline: 3px solid #7d5200; outline-offset: 3px; }
  @media (prefers-color-scheme: dark) {
    .bg { background: #101412 !important; } .card { background: #191e1b !important; border-color: #ffc548 #2c332e #2c332e !important; }
    .ink { color: #ecefe8 !important; } .ink-2 { color: #a8b2aa !important; } .link { color: #ffcf6a !important; }
  }
`;
const table = { role: 'presentation', cellpadding: '0', cellspacing: '0' } as const;

/** The HTML form of a mail, after the drawn page mail-confirm.html. `url` is the button's link. */
export function MailPage({ text, url, site }: { text: MailText; url: string; site: string }) {
  return (
    <html lang="en" dir="ltr">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="supported-color-schemes" content="light dark" />
        <title>{text.subject}</title>
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body class="bg" style="margin:0;background:#f0f1eb;">
        <div style="display:none;max-height:0;overflow:hidden;" aria-hidden="true">
          {text.preview}
        </div>
        <main>
          <table {...table} class="bg" width="100%" style="background:#f0f1eb;">
            <tr>
              <td align="center" style="padding:32px 16px;">
                <table {...table} width="100%" style={`max-width:520px;table-layout:fixed;${font}`}>
                  <tr>
                    <td class="ink" style="padding:0 4px 16px;color:#18211d;font-weight:700;font-size:20px;letter-spacing:-.02em;">
                      <span aria-hidden="true" style="color:#c98700;">
                        ✱
                      </span>{' '}
                      {FRAME.sender}
                    </td>
                  </tr>
                  <tr>
                    <td class="card" style="background:#fdfdfa;border:1px solid #dcdfd4;border-top:4px solid #ffbe2e;border-radius:8px;padding:32px 28px;">
                      <h1 class="ink" style={`margin:0 0 12px;color:#18211d;font-size:29px;line-height:1.2;letter-spacing:-.02em;${wrap}`}>
                        {text.title}
                      </h1>
                      <p class="ink" style="margin:0 0 24px;color:#18211d;">
                        {text.lead.map((part) => (typeof part === 'string' ? part : <strong style={wrap}>{part.strong}</strong>))}
                      </p>
                      {text.button && <Button label={text.button} url={url} />}
                      {text.notes.map((note) => (
                        <p class="ink-2" style={`margin:16px 0 0;${small}`}>
                          {note}
                        </p>
                      ))}
                    </td>
                  </tr>
                  <tr>
                    <td class="ink-2" style={`padding:16px 4px;${small}`}>
                      {text.foot}
                      <br />
                      {text.unsubscribe && (
                        <>
                          <a class="link" href={text.unsubscribe.url} style="color:#7d5200;">
                            {text.unsubscribe.text}
                          </a>
                          <br />
                        </>
                      )}
                      {site}
                    </td>
                  </tr>
                </table>
              </td>
            </tr>
          </table>
        </main>
      </body>
    </html>
  );
}

function Button({ label, url }: { label: string; url: string }) {
  return (
    <>
      <table {...table}>
        <tr>
          <td style="border-radius:8px;background:#ffbe2e;">
            <a
              href={url}
              style="display:inline-block;padding:13px 24px;border-radius:8px;background:#ffbe2e;color:#231900;font-weight:700;text-decoration:none;"
            >
              {label}
            </a>
          </td>
        </tr>
      </table>
      <p class="ink-2" style={`margin:24px 0 0;${small}`}>
        {FRAME.buttonFails}
        <br />
        <a class="link" href={url} style={`color:#7d5200;${wrap}`}>
          {url}
        </a>
      </p>
    </>
  );
}
