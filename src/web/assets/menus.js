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
