-- For tests: answers <iq type='get' to=HOST><query xmlns='urn:test:user-exists' user=NAME/></iq> with what Prosody thinks.
local st = require "util.stanza";
local user_exists = require "core.usermanager".user_exists;

module:hook("iq-get/host/urn:test:user-exists:query", function (event)
	local origin, stanza = event.origin, event.stanza;
	local exists = user_exists(stanza.tags[1].attr.user, module.host) and true or false;
	origin.send(st.reply(stanza):tag("query", { xmlns = "urn:test:user-exists" }):text(tostring(exists)));
	return true;
end);
