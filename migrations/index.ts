import { Accounts1763712000000 } from './1763712000000-accounts.js';
import { Posts1763712000001 } from './1763712000001-posts.js';
import { Relationships1763712000002 } from './1763712000002-relationships.js';
import { Delivery1763712000003 } from './1763712000003-delivery.js';
import { ChatChanges1763712000004 } from './1763712000004-chat-changes.js';
import { Social1763712000005 } from './1763712000005-social.js';
import { Processes1763712000050 } from './1763712000050-processes.js';
import { Remote1763712000060 } from './1763712000060-remote.js';
import { QueueIndexes1763712000070 } from './1763712000070-queue-indexes.js';
import { Ledger1763712000080 } from './1763712000080-ledger.js';
import { Blocks1763712000090 } from './1763712000090-blocks.js';
import { LatestPosts1763712000100 } from './1763712000100-latest-posts.js';
import { ReachThen1763712000110 } from './1763712000110-reach-then.js';
import { Circles1763712000120 } from './1763712000120-circles.js';
import { RecipientPages1763712000130 } from './1763712000130-recipient-pages.js';

/** All migrations, oldest first. A released one is never changed. */
export const migrations = [Accounts1763712000000, Posts1763712000001, Relationships1763712000002, Delivery1763712000003, ChatChanges1763712000004, Social1763712000005, Processes1763712000050, Remote1763712000060, QueueIndexes1763712000070, Ledger1763712000080, Blocks1763712000090, LatestPosts1763712000100, ReachThen1763712000110, Circles1763712000120, RecipientPages1763712000130];
