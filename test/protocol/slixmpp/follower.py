"""A follower with slixmpp, as a program of somebody else would be written. Driven by lines:

in:  {"jid": "bob@example.org", "password": "…", "host": "127.0.0.1", "port": 5222, "interest": "urn:xmpp:microblog:0"}   (first)
     {"follow": "alice@social.example.org"}   {"items": "alice@social.example.org"}   {"quit": true}
out: {"online": "full JID"} · {"refused": "…"} · {"subscribed": "alice@…"} · {"event": "<message …>"} · {"items": [["id", "title"], …]}
"""
import asyncio
import json
import sys

import slixmpp

ATOM = '{http://www.w3.org/2005/Atom}'


def say(**what):
    print(json.dumps(what), flush=True)


class Follower(slixmpp.ClientXMPP):
    def __init__(self, order):
        super().__init__(order['jid'], order['password'])
        self.interest = order['interest']
        for plugin in ('xep_0030', 'xep_0060', 'xep_0115', 'xep_0163', 'xep_0199'):
            self.register_plugin(plugin)
        # The test server has no certificate; it is on loopback.
        self['feature_mechanisms'].unencrypted_plain = True
        self.add_event_handler('session_start', self.start)
        self.add_event_handler('failed_all_auth', lambda _: say(refused='not-authorized'))
        self.add_event_handler('presence_subscribed', lambda presence: say(subscribed=presence['from'].bare))
        self.register_handler(slixmpp.Callback(
            'any event',
            slixmpp.MatchXPath('{jabber:client}message/{http://jabber.org/protocol/pubsub#event}event'),
            lambda message: say(event=str(message)),
        ))

    async def start(self, _):
        await self.get_roster()
        self['xep_0163'].add_interest(self.interest)
        await self['xep_0115'].update_caps()
        self.send_presence()
        say(online=self.boundjid.full)

    async def show_items(self, jid):
        answer = await self['xep_0060'].get_items(jid, self.interest)
        found = answer.xml.findall('.//{http://jabber.org/protocol/pubsub}item')
        say(items=[[item.get('id'), item.findtext(f'{ATOM}entry/{ATOM}title')] for item in found])


async def orders(follower, lines):
    while line := await lines.readline():
        order = json.loads(line)
        if 'follow' in order:
            follower.send_presence_subscription(pto=order['follow'])
        elif 'items' in order:
            await follower.show_items(order['items'])
        else:
            break
    follower.disconnect()


async def main(loop):
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    order = json.loads(await lines.readline())
    follower = Follower(order)
    follower.connect(address=(order['host'], order['port']), disable_starttls=True)
    task = asyncio.ensure_future(orders(follower, lines))
    await follower.disconnected
    task.cancel()


loop = asyncio.get_event_loop()
loop.run_until_complete(main(loop))
