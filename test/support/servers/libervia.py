"""Tells what a Libervia backend tells its frontends, a JSON object a line: {"ready": true} once, then {"signal": name, "args": […]}."""
import json

import dbus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = 'org.libervia.Libervia'
PATH = '/org/libervia/Libervia/bridge'
SIGNALS = ('psEvent', 'messageNew')


def say(**what):
    print(json.dumps(what), flush=True)


def appeared(owner):
    if owner:
        core = dbus.Interface(bus.get_object(NAME, PATH, introspect=False), f'{NAME}.core')
        core.getReady(reply_handler=lambda: say(ready=True), error_handler=lambda error: say(failed=str(error)))


DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
for name in SIGNALS:
    bus.add_signal_receiver(lambda *args, name=name: say(signal=name, args=args), signal_name=name, path=PATH)
bus.watch_name_owner(NAME, appeared)
GLib.MainLoop().run()
