// Open menus close by Escape and by a click elsewhere. (They open and close by their own button without any script.)
const open = () => document.querySelectorAll('details.menu[open], details.audience[open]');
document.addEventListener('click', (event) => {
  for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  for (const menu of open()) {
    menu.open = false;
    menu.querySelector('summary').focus();
  }
});
// Aspects that are ticked but out of sight, because another choice was made, are not sent.
for (const choice of document.querySelectorAll('.audience')) {
  const follow = () => {
    const some = choice.querySelector('[name="audience"][value=""]');
    for (const box of choice.querySelectorAll('.audience__sub input')) box.disabled = !some?.checked;
  };
  choice.addEventListener('change', follow);
  addEventListener('pageshow', follow);
}
// A row of filters that is wider than the window shows the one that is chosen.
document.querySelector('.filter [aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' });
