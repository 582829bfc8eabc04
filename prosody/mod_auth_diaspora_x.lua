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

local async = require "util.async";
local base64 = require "util.encodings".base64;
local cache = require "util.cache";
local formencode = require "util.http".formencode;
local http = require "net.http";
local new_sasl = require "util.sasl".new;
local time = require "util.time".now;

local host = module.host;

-- The service answers within 2 s; a longer wait would only hold the login up.
local TIMEOUT = 5;
-- How long an answer about the existence of an account is believed, in seconds: a new account soon gets its messages.
local BELIEVE = { [true] = 60, [false] = 5 };

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

-- Asks the service; callback(true or false), or callback(nil, why) when there is no such answer.
local function ask(operation, fields, callback)
	fields.server = host;
	local answered = false;
	local function answer(value, why)
		if answered then return; end
		answered = true;
		if value == nil then
			module:log("error", "No answer to %s from %s: %s. Nobody can log in to %s until this is mended.", operation, url, why, host);
		end
		callback(value, why);
	end
	local request = http.request(url .. "/auth/" .. operation, {
		method = "POST";
		headers = { ["Authorization"] = authorization; ["Content-Type"] = "application/x-www-form-urlencoded" };
		body = formencode(fields);
	}, function (body, code)
		local text = code == 200 and body:match("^%s*(%a+)%s*$");
		if text == "true" or text == "false" then
			answer(text == "true");
		elseif code == 0 then
			answer(nil, "not reachable (" .. tostring(body) .. "); is diaspora-x running?");
		elseif code == 401 then
			answer(nil, "it refused our secret; is diaspora_x_auth_secret the same as its DX_AUTH_SECRET?");
		else
			answer(nil, "unexpected answer, status " .. tostring(code));
		end
	end);
	module:add_timer(TIMEOUT, function ()
		if answered then return; end
		answer(nil, "it took longer than " .. TIMEOUT .. " s");
		if request then http.destroy_request(request); end
	end);
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

local known = cache.new(10000);

local function remember(username, exists)
	known:set(username, { exists = exists; till = time() + BELIEVE[exists] });
	return exists;
end

local provider = { name = "diaspora_x" };

function provider.test_password(username, password)
	local right = ask_and_wait("check_password", { user = username; pass = password });
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
