"""A client with slixmpp, as a program of somebody else would be written: it follows, and publishes on its own PEP. Driven by lines:

in:  {"jid": "bob@example.org", "password": "…", "host": "127.0.0.1", "port": 5222}   (first)
     {"follow": JID}   {"items": JID}   {"publish": "item id", "title": "…"}   {"retract": "item id"}   {"configure": {"pubsub#…": "…"}}   {"quit": true}
out: {"online": "full JID"} · {"refused": "…"} · {"subscribed": JID} · {"asked": JID} · {"event": "<message …>"} · {"items": [["id", "title"], …]}
     {"published": "item id"} · {"retracted": "item id"} · {"configured": true}
Who asks to see its presence may.
"""
import asyncio
import json
import sys
from datetime import datetime, timezone
from xml.etree import ElementTree

import slixmpp

ATOM = '{http://www.w3.org/2005/Atom}'
MICROBLOG = 'urn:xmpp:microblog:0'


def say(**what):
    print(json.dumps(what), flush=True)


def entry(item, title):
    now = datetime.now(timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
    root = ElementTree.Element(f'{ATOM}entry')
    for name, text in (('title', title), ('id', item), ('published', now), ('updated', now)):
        ElementTree.SubElement(root, ATOM + name).text = text
    return root


class Client(slixmpp.ClientXMPP):
    def __init__(self, order):
        super().__init__(order['jid'], order['password'])
        for plugin in ('xep_0004', 'xep_0030', 'xep_0060', 'xep_0115', 'xep_0163', 'xep_0199'):
            self.register_plugin(plugin)
        # The test server has no certificate; it is on loopback.
        self['feature_mechanisms'].unencrypted_plain = True
        self.add_event_handler('session_start', self.start)
        self.add_event_handler('failed_all_auth', lambda _: say(refused='not-authorized'))
        self.add_event_handler('presence_subscribed', lambda presence: say(subscribed=presence['from'].bare))
        self.add_event_handler('presence_subscribe', lambda presence: say(asked=presence['from'].bare))
        self.register_handler(slixmpp.Callback(
            'any event',
            slixmpp.MatchXPath('{jabber:client}message/{http://jabber.org/protocol/pubsub#event}event'),
            lambda message: say(event=str(message)),
        ))

    async def start(self, _):
        await self.get_roster()
        self['xep_0163'].add_interest(MICROBLOG)
        await self['xep_0115'].update_caps()
        self.send_presence()
        say(online=self.boundjid.full)

    async def show_items(self, jid):
        answer = await self['xep_0060'].get_items(jid, MICROBLOG)
        found = answer.xml.findall('.//{http://jabber.org/protocol/pubsub}item')
        say(items=[[item.get('id'), item.findtext(f'{ATOM}entry/{ATOM}title')] for item in found])

    async def publish(self, item, title):
        options = self['xep_0004'].make_form(ftype='submit')
        options.add_field('FORM_TYPE', 'hidden', value='http://jabber.org/protocol/pubsub#publish-options')
        options.add_field('pubsub#access_model', value='open')
        options.add_field('pubsub#persist_items', value='true')
        await self['xep_0060'].publish(self.boundjid.bare, MICROBLOG, id=item, payload=entry(item, title), options=options)
        say(published=item)

    async def configure(self, settings):
        form = self['xep_0004'].make_form(ftype='submit')
        form.add_field('FORM_TYPE', 'hidden', value='http://jabber.org/protocol/pubsub#node_config')
        for var, value in settings.items():
            form.add_field(var, value=value)
        await self['xep_0060'].set_node_config(self.boundjid.bare, MICROBLOG, form)
        say(configured=True)

    async def retract(self, item):
        await self['xep_0060'].retract(self.boundjid.bare, MICROBLOG, item, notify=True)
        say(retracted=item)


async def orders(client, lines):
    while line := await lines.readline():
        order = json.loads(line)
        if 'follow' in order:
            client.send_presence_subscription(pto=order['follow'])
        elif 'items' in order:
            await client.show_items(order['items'])
        elif 'publish' in order:
            await client.publish(order['publish'], order['title'])
        elif 'configure' in order:
            await client.configure(order['configure'])
        elif 'retract' in order:
            await client.retract(order['retract'])
        else:
            break
    client.disconnect()


async def main(loop):
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    order = json.loads(await lines.readline())
    client = Client(order)
    client.connect(address=(order['host'], order['port']), disable_starttls=True)
    gone = client.disconnected
    task = asyncio.ensure_future(orders(client, lines))
    await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
    # What went wrong there ends the script.
    if task.done():
        task.result()
    await gone
    task.cancel()


loop = asyncio.get_event_loop()
loop.run_until_complete(main(loop))
