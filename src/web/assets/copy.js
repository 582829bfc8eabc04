// [data-copy] copies the <code> beside it; [data-show] shows a password while it is being typed.
const said = document.createElement('p');
said.className = 'sr';
said.setAttribute('role', 'status');

const copied = async (button) => {
  const text = button.parentElement.querySelector('code').textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard without https: select the words, so that Ctrl-C finds them.
    getSelection().selectAllChildren(button.parentElement.querySelector('code'));
    return;
  }
  if (!said.isConnected) document.body.append(said);
  said.textContent = '';
  const use = button.querySelector('use');
  const before = use.getAttribute('href');
  use.setAttribute('href', before.replace('#i-copy', '#i-check'));
  said.textContent = button.dataset.copy;
  setTimeout(() => use.setAttribute('href', before), 2000);
};

document.addEventListener('click', (event) => {
  const button = event.target.closest?.('[data-copy], [data-show]');
  if (!button) return;
  if (button.matches('[data-copy]')) return void copied(button);
  const input = document.getElementById(button.getAttribute('aria-controls'));
  const shown = input.type === 'text';
  input.type = shown ? 'password' : 'text';
  button.setAttribute('aria-pressed', String(!shown));
});
