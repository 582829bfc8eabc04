-- For tests: as much of XEP-0376 (Pubsub Account Management) as lets Libervia follow. It sends
--   <iq type='set' to=HOST><pam xmlns='urn:xmpp:pam:0' jid=SERVICE><subscribe or unsubscribe xmlns=pubsub/></pam></iq>
-- to the server of its account, which asks the service in the name of the account. Events then go to the bare JID, that is, to all its clients.
local jid_bare = require "util.jid".bare;
local new_id = require "util.id".medium;
local st = require "util.stanza";

module:add_feature("urn:xmpp:pam:0");

module:hook("iq-set/host/urn:xmpp:pam:0:pam", function (event)
	local origin, stanza = event.origin, event.stanza;
	local pam = stanza.tags[1];
	local request = pam:get_child("subscribe", "http://jabber.org/protocol/pubsub") or pam:get_child("unsubscribe", "http://jabber.org/protocol/pubsub");
	if origin.type ~= "c2s" or not (request and pam.attr.jid) then
		origin.send(st.error_reply(stanza, "modify", "bad-request"));
		return true;
	end
	local asked = st.iq({ type = "set", id = new_id(), from = jid_bare(stanza.attr.from), to = pam.attr.jid })
		:tag("pubsub", { xmlns = "http://jabber.org/protocol/pubsub" }):add_child(request);
	module:send_iq(asked, origin):next(function ()
		origin.send(st.reply(stanza));
	end, function (refusal)
		origin.send(st.error_reply(stanza, refusal));
	end);
	return true;
end);
