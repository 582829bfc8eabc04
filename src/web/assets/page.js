// Everything that a page can do more with a script. Each page works without any of it.
import './acts.js';
import './copy.js';
import './drafts.js';
import './keys.js';
import './live.js';
import './menus.js';
import './once.js';
import './times.js';
