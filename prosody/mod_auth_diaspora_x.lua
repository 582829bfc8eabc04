-- Chat logins with app passwords: asks the running diaspora-x service whether a password is right.
-- Part of diaspora-x, AGPL-3.0-or-later. For Prosody 0.12 and newer (tried on 0.12.3).
--
--   VirtualHost "example.org"
--       authentication = "diaspora_x"
--       diaspora_x_auth_url = "http://127.0.0.1:3001"          -- DX_AUTH_LISTEN of the service
--       diaspora_x_auth_secret_file = "/etc/prosody/dx-secret"  -- or diaspora_x_auth_secret = "…" (DX_AUTH_SECRET)
--
-- Only PLAIN is offered, because the service keeps no form of the password that SCRAM could use: let clients in by
-- TLS only (c2s_require_encryption, Prosody's default). Passwords are never logged and travel in the request's body.
--
-- One question is always open at the service (/auth/events): by it we know which accounts exist, and hear at once
-- whose sessions end because an app password was revoked, an account suspended or closed, or somebody logged out everywhere.

local async = require "util.async";
local base64 = require "util.encodings".base64;
local cache = require "util.cache";
local formencode = require "util.http".formencode;
local http = require "net.http";
local new_sasl = require "util.sasl".new;
local time = require "util.time".now;

local host = module.host;
local prosody = prosody;
local c2s_sessions = module:shared("/*/c2s/sessions");

-- The service answers within 2 s; a longer wait would only hold the login up.
local TIMEOUT = 5;
-- So many questions are with the service at once; others wait here, where their time does not run yet. (What it cannot answer within 2 s it
-- answers with "false", and when it was restarted everybody may come at the same moment.)
local AT_ONCE = 64;
-- If it answered less than so many seconds ago and is gone now, it is taken to be restarting: who logs in waits.
local RESTART, KNOCK_EVERY = 10, 0.1;
-- How long an answer about the existence of an account is believed, in seconds: a new account soon gets its messages.
local BELIEVE = { [true] = 60, [false] = 5 };
-- The service answers an open question at the latest after 25 s.
local NEWS_TIMEOUT = 40;
-- Pauses, in seconds, before the service is asked for news again when it did not answer: they double.
local FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10;
-- So often all names are read anew, in seconds.
local ALL_NAMES_EVERY = 3600;

local function read_secret()
	local path = module:get_option_path("diaspora_x_auth_secret_file", nil, "config");
	if not path then
		local secret = module:get_option_string("diaspora_x_auth_secret");
		if not secret then
			error("set diaspora_x_auth_secret_file (or diaspora_x_auth_secret) for " .. host .. " to the service's DX_AUTH_SECRET", 0);
		end
		return secret;
	end
	local file, err = io.open(path, "r");
	if not file then error("diaspora_x_auth_secret_file cannot be read: " .. err, 0); end
	local secret = file:read("*a"):match("^%s*(.-)%s*$");
	file:close();
	if secret == "" then error("diaspora_x_auth_secret_file is empty: " .. path, 0); end
	return secret;
end

local url = module:get_option_string("diaspora_x_auth_url", "http://127.0.0.1:3001"):gsub("/+$", "");
local authorization = "Basic " .. base64.encode("dx:" .. read_secret());

local function why_not(body, code)
	if code == 0 then
		return "not reachable (" .. tostring(body) .. "); is diaspora-x running?";
	elseif code == 401 then
		return "it refused our secret; is diaspora_x_auth_secret the same as its DX_AUTH_SECRET?";
	elseif code == 403 then
		return "it checks the logins of another domain; is " .. host .. " its DX_CHAT_DOMAIN?";
	end
	return "unexpected answer, status " .. tostring(code);
end

-- One request; callback(body, code), with code 0 when there is no answer within `timeout` seconds.
local function request(operation, fields, timeout, callback)
	fields.server = host;
	local answered = false;
	local function answer(body, code)
		if answered then return; end
		answered = true;
		callback(body, code);
	end
	local asked = http.request(url .. "/auth/" .. operation, {
		method = "POST";
		headers = { ["Authorization"] = authorization; ["Content-Type"] = "application/x-www-form-urlencoded" };
		body = formencode(fields);
	}, answer);
	module:add_timer(timeout, function ()
		if answered then return; end
		answer("it took longer than " .. timeout .. " s", 0);
		if asked then http.destroy_request(asked); end
	end);
end

-- Questions that the service has now, and those that wait for their turn.
local asked = 0;
local queue, first, last = {}, 1, 0;
local answered_at = -math.huge;

-- Asks the service; callback(true or false), or callback(nil) when there is no such answer.
local function ask(operation, fields, callback)
	if asked >= AT_ONCE then
		last = last + 1;
		queue[last] = { operation, fields, callback };
		return;
	end
	asked = asked + 1;
	local function done(value)
		asked = asked - 1;
		local next_one = queue[first];
		if next_one then
			queue[first] = nil;
			first = first + 1;
			ask(next_one[1], next_one[2], next_one[3]);
		end
		callback(value);
	end
	local function try()
		request(operation, fields, TIMEOUT, function (body, code)
			local text = code == 200 and body:match("^%s*(%a+)%s*$");
			if text == "true" or text == "false" then
				answered_at = time();
				done(text == "true");
			elseif code == 0 and time() - answered_at < RESTART then
				module:add_timer(KNOCK_EVERY, try);
			else
				module:log("error", "No answer to %s from %s: %s. Nobody can log in to %s until this is mended.", operation, url, why_not(body, code), host);
				done(nil);
			end
		end);
	end
	try();
end

-- The same for code that may wait (the streams of clients and servers run asynchronously).
local function ask_and_wait(operation, fields)
	local wait, done = async.waiter();
	local value;
	ask(operation, fields, function (result)
		value = result;
		done();
	end);
	wait();
	return value;
end

-- Every account that exists, once they were read.
local names = nil;
-- What was asked for one by one, beside them.
local known = cache.new(10000);
-- How many times the sessions of an account were ended.
local endings = cache.new(10000);

local function remember(username, exists)
	known:set(username, { exists = exists; till = time() + BELIEVE[exists] });
	return exists;
end

-- Every session of an account: bound ones, those that wait to be resumed, and those that have only logged in so far.
local function sessions_of(username)
	local found = {};
	local user = prosody.hosts[host] and prosody.hosts[host].sessions[username];
	for _, session in pairs(user and user.sessions or {}) do found[session] = true; end
	for _, session in pairs(c2s_sessions) do
		if session.username == username and session.host == host then found[session] = true; end
	end
	return found;
end

local function end_sessions(username, found, why)
	endings:set(username, (endings:get(username) or 0) + 1);
	local count = 0;
	for session in pairs(found) do
		local ok, err = pcall(session.close, session, { condition = "not-authorized"; text = "Please log in again" });
		if ok then
			count = count + 1;
		else
			module:log("error", "A session of %s@%s could not be ended: %s", username, host, err);
		end
	end
	if count > 0 then module:log("info", "Ended %d sessions of %s@%s: %s", count, username, host, why); end
end

module:hook("authentication-success", function (event)
	event.session.diaspora_x_since = time();
end);

-- Ends all sessions that were let in before that time.
local function end_sessions_before(moment, why)
	local users = {};
	for username in pairs(prosody.hosts[host] and prosody.hosts[host].sessions or {}) do users[username] = true; end
	for _, session in pairs(c2s_sessions) do
		if session.username and session.host == host then users[session.username] = true; end
	end
	for username in pairs(users) do
		local old = {};
		for session in pairs(sessions_of(username)) do
			if (session.diaspora_x_since or 0) < moment then old[session] = true; end
		end
		end_sessions(username, old, why);
	end
end

-- Where we are in the service's news. Nil: at the beginning, when there are no sessions.
local cursor = nil;
local all_names_at = nil;
-- Since when there is no news. Nil: there is.
local lost_at = nil;

-- Does what the lines of an answer say (src/auth/events.ts explains them). Returns false when it is no such answer.
local function heed(body)
	local new_cursor = body:match("^cursor (%S+)\n");
	if not new_cursor then return false; end
	local all = nil;
	for word, argument in body:gmatch("(%l+) ?([^\n]*)\n") do
		if word == "missed" then
			-- Who was let in since then was let in by the service that we hear now.
			end_sessions_before(lost_at or time() + 1, "what was revoked in the meantime is not known");
		elseif word == "end" then
			end_sessions(argument, sessions_of(argument), "the service says so");
		elseif word == "names" then
			all = {};
		elseif word == "user" and all then
			all[argument] = true;
		elseif word == "user" then
			known:set(argument, nil);
			if names then names[argument] = true; else remember(argument, true); end
		elseif word == "gone" then
			if names then names[argument] = nil; end
			remember(argument, false);
		end
	end
	if all then
		-- What was asked for one by one may be older.
		names, known, all_names_at = all, cache.new(10000), time();
	end
	cursor = new_cursor;
	return true;
end

local pause, heard, listening = FIRST_PAUSE, nil, false;
local waiting_to_listen = nil;

local function listen()
	if listening then return; end
	listening, waiting_to_listen = true, nil;
	local all = not all_names_at or time() - all_names_at > ALL_NAMES_EVERY;
	request("events", { since = cursor; all = all and "1" or nil }, NEWS_TIMEOUT, function (body, code)
		listening = false;
		if module.loaded == false then return; end
		if code == 200 and heed(body) then
			if heard ~= true then module:log("info", "Hearing from %s who exists and whose sessions end", url); end
			heard, pause, lost_at = true, FIRST_PAUSE, nil;
			listen();
			return;
		end
		if heard ~= false then
			module:log("warn", "No news from %s: %s. Sessions of revoked passwords stay open until this is mended.", url, why_not(body, code));
		end
		heard, lost_at = false, lost_at or time();
		waiting_to_listen = module:add_timer(pause, listen);
		pause = math.min(pause * 2, LONGEST_PAUSE);
	end);
end

-- The service is there again: no need to wait.
local function listen_now()
	if not waiting_to_listen then return; end
	waiting_to_listen:stop();
	pause = FIRST_PAUSE;
	listen();
end

local provider = { name = "diaspora_x" };

function provider.test_password(username, password)
	local right, before;
	repeat -- what was revoked while the answer was on its way must not get in
		before = endings:get(username);
		right = ask_and_wait("check_password", { user = username; pass = password });
	until not right or endings:get(username) == before
	if right ~= nil then listen_now(); end
	if right then
		remember(username, true);
		return true;
	end
	module:log("debug", "%s@%s not let in", username, host);
	return nil, "Wrong username or app password";
end

-- Prosody asks for every stanza to an account without a session. A component's stream cannot wait (no async runner),
-- so there an unknown name counts as existing until the answer is in.
function provider.user_exists(username)
	if names and names[username] then return true; end
	local entry = known:get(username);
	if entry and entry.till > time() then return entry.exists; end
	if not entry and async.ready() then
		local exists = ask_and_wait("user_exists", { user = username });
		-- No answer: a chat message is better kept than refused.
		if exists == nil then return true; end
		return remember(username, exists);
	end
	local before = not entry or entry.exists;
	-- Until the answer comes, others do not ask again.
	remember(username, before);
	ask("user_exists", { user = username }, function (exists)
		if exists ~= nil then remember(username, exists); end
	end);
	return before;
end

-- For mod_admin_shell and modules that go through all accounts.
function provider.users()
	local list = {};
	for username in pairs(names or {}) do list[#list + 1] = username; end
	local at = 0;
	return function ()
		at = at + 1;
		return list[at];
	end
end

function provider.get_sasl_handler()
	return new_sasl(host, {
		plain_test = function (_, username, password)
			return provider.test_password(username, password) == true, true;
		end;
	});
end

-- Accounts and app passwords are made and changed on the web pages alone.
local function on_the_web()
	return nil, "Accounts of this host are managed by diaspora-x";
end
provider.set_password = on_the_web;
provider.create_user = on_the_web;
provider.delete_user = on_the_web;

module:provides("auth", provider);

-- A reload of the module forgets nothing: the sessions of before are still there.
function module.save()
	return { cursor = cursor };
end
function module.restore(saved)
	cursor = saved.cursor;
end

module:add_timer(0, listen);
