-- XEP-0033 Extended Stanza Addressing for the posts of diaspora-x: one stanza comes in, everyone named in it gets it.
-- Part of diaspora-x, AGPL-3.0-or-later. For Prosody 0.12 and newer (tried on 0.12.3).
--
--   VirtualHost "example.org"
--       modules_enabled = { "diaspora_x_fanout" }
--       diaspora_x_fanout_senders = { "social.example.org" }
--
-- It serves the accounts of its own host only, and only those senders (domains; by default the components of this server). Recipients must be
-- "bcc", so nobody sees who else gets a message. Each copy takes the way of any message through Prosody, so that blocklists and other modules
-- see it; only its text is made once for all.

local filters = require "util.filters";
local jid_prepped_split = require "util.jid".prepped_split;
local st = require "util.stanza";
local xml_escape = st.xml_escape;

local host = module.host;
local hosts = prosody.hosts;

local xmlns_address = "http://jabber.org/protocol/address";

local senders = module:get_option_set("diaspora_x_fanout_senders", nil);
local limit = module:get_option_number("diaspora_x_fanout_limit", 1000);

local function may_send(from, origin)
	local _, domain = jid_prepped_split(from);
	if not domain then return false; end
	if senders then return senders:contains(domain); end
	return origin.type == "component" and hosts[domain] ~= nil and hosts[domain].type == "component";
end

-- What is the same for all: the attributes, the children, and the text after the name.
local function prepare(stanza)
	local attr = {};
	for name, value in pairs(stanza.attr) do
		if name ~= "to" then attr[name] = value; end
	end
	local template = st.stanza(stanza.name, attr);
	for _, child in ipairs(stanza) do
		if type(child) == "string" or child.name ~= "addresses" or child.attr.xmlns ~= xmlns_address then
			template:add_direct_child(child);
		end
	end
	local text = tostring(template);
	return { attr = attr, template = template, head = "<" .. stanza.name, tail = text:sub(#stanza.name + 2) };
end

-- A stanza of its own for each recipient, so that modules can change one without the others; the children are shared.
local function copy_for(jid, shared)
	local copy = st.clone(shared.template, true);
	for i, child in ipairs(shared.template) do copy[i] = child; end
	for i, child in ipairs(shared.template.tags) do copy.tags[i] = child; end
	copy.attr.to = jid;
	copy.diaspora_x_fanout = shared;
	return copy;
end

-- Is the copy still what it was?
local function is_unchanged(copy, shared)
	local attributes = 0;
	for name, value in pairs(copy.attr) do
		if name ~= "to" then
			if shared.attr[name] ~= value then return false; end
			attributes = attributes + 1;
		end
	end
	for _ in pairs(shared.attr) do attributes = attributes - 1; end
	if attributes ~= 0 or #copy ~= #shared.template then return false; end
	for i = 1, #copy do
		if copy[i] ~= shared.template[i] then return false; end
	end
	return true;
end

-- The last of all filters of what goes out to a session: a copy that nobody has changed is already text.
local function as_text(stanza)
	local shared = stanza.diaspora_x_fanout;
	if not shared or not is_unchanged(stanza, shared) then return stanza; end
	local to = stanza.attr.to;
	return shared.head .. (to and (" to='" .. xml_escape(to) .. "'") or "") .. shared.tail;
end

local function watch(session)
	if session.type == "c2s" or session.type == "c2s_unauthed" then
		filters.add_filter(session, "stanzas/out", as_text, -2000);
	end
end
filters.add_filter_hook(watch);
function module.load()
	for _, user in pairs(hosts[host].sessions or {}) do
		for _, session in pairs(user.sessions) do watch(session); end
	end
end
function module.unload()
	filters.remove_filter_hook(watch);
	for _, user in pairs(hosts[host].sessions or {}) do
		for _, session in pairs(user.sessions) do filters.remove_filter(session, "stanzas/out", as_text); end
	end
end

-- The recipients, or nil with what is wrong.
local function recipients_of(addresses)
	local list = {};
	for address in addresses:childtags("address", xmlns_address) do
		local node, domain, resource = jid_prepped_split(address.attr.jid);
		if address.attr.type ~= "bcc" then
			return nil, "feature-not-implemented", "Every address must be of type bcc";
		elseif not node then
			return nil, "jid-malformed", "An address is no JID of an account";
		elseif domain ~= host then
			return nil, "forbidden", "This service is for accounts of " .. host .. " only";
		end
		list[#list + 1] = resource and (node .. "@" .. domain .. "/" .. resource) or (node .. "@" .. domain);
	end
	if #list == 0 then return nil, "bad-request", "There is no address"; end
	if #list > limit then return nil, "not-acceptable", "More than " .. limit .. " addresses"; end
	return list;
end

module:hook("message/host", function (event)
	local origin, stanza = event.origin, event.stanza;
	local addresses = stanza:get_child("addresses", xmlns_address);
	if not addresses or stanza.attr.type == "error" then return; end
	if not may_send(stanza.attr.from, origin) then
		origin.send(st.error_reply(stanza, "auth", "forbidden", "This service is not for you"));
		return true;
	end
	local recipients, condition, text = recipients_of(addresses);
	if not recipients then
		origin.send(st.error_reply(stanza, "modify", condition, text));
		return true;
	end
	local shared = prepare(stanza);
	for _, jid in ipairs(recipients) do
		-- A module that fails at one of them must not cost the others theirs.
		local ok, err = pcall(prosody.core_post_stanza, origin, copy_for(jid, shared));
		if not ok then module:log("error", "A message to %s was not delivered: %s", jid, err); end
	end
	return true;
end, 10);

module:add_feature(xmlns_address);
-- As ejabberd says it.
module:add_extension(st.stanza("x", { xmlns = "jabber:x:data", type = "result" })
	:tag("field", { var = "FORM_TYPE", type = "hidden" }):text_tag("value", xmlns_address):up()
	:tag("field", { var = "message" }):text_tag("value", tostring(limit)):up());
