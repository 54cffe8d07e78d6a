"""Django Channels: consumers behind WebSockets that speak to groups, and two processes to each other, by both layers."""
from __future__ import annotations

import asyncio
import json
import sys

from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from flow import SECONDS, connect, database, module

LAYERS = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer",
                      "CONFIG": {"hosts": [database(0)], "capacity": 10, "expiry": 60, "group_expiry": 600}},
          "pubsub": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [database(1)]}}}
settings.configure(SECRET_KEY="flow", CHANNEL_LAYERS=LAYERS, INSTALLED_APPS=["channels"])

from channels.exceptions import ChannelFull  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.layers import channel_layers, get_channel_layer  # noqa: E402


class Visitor(ApplicationCommunicator):
    """A WebSocket of an application, without a server for it."""

    def __init__(self, application) -> None:
        super().__init__(application, {"type": "websocket", "path": "/", "headers": [], "subprotocols": []})

    async def connect(self) -> None:
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(SECONDS))["type"] == "websocket.accept"

    async def say(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": json.dumps({"text": text})})

    async def hear(self) -> str:
        return json.loads((await self.receive_output(SECONDS))["text"])["text"]

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(SECONDS)


class Chat(AsyncJsonWebsocketConsumer):
    """What a room hears, everyone in it is sent."""
    groups = ["room"]

    async def receive_json(self, content: dict) -> None:
        await self.channel_layer.group_send("room", {"type": "said", "text": content["text"]})

    async def said(self, event: dict) -> None:
        await self.send_json({"text": event["text"]})


class PubSubChat(Chat):
    channel_layer_alias = "pubsub"


async def room(chat: type[Chat]) -> None:
    visitors = [Visitor(chat.as_asgi()) for _ in range(3)]
    for visitor in visitors:
        await visitor.connect()
    for number in range(5):
        await visitors[number % 3].say(f"word {number}")
        for visitor in visitors:
            assert await visitor.hear() == f"word {number}"
    await visitors[0].leave()
    layer = get_channel_layer(chat.channel_layer_alias)
    await layer.group_send("room", {"type": "said", "text": "to those who are left"})
    for visitor in visitors[1:]:
        assert await visitor.hear() == "to those who are left"
        await visitor.leave()


async def other_process(alias: str) -> None:
    """A question to a process behind another connection, and its answer."""
    layer = get_channel_layer(alias)
    here = await layer.new_channel()
    await layer.group_add("asks", here)
    with module("with_channels", alias):
        while True:     # until the other process listens
            await layer.group_send("answers", {"type": "question", "back": here, "number": 20})
            try:
                answer = await asyncio.wait_for(layer.receive(here), 0.5)
                break
            except TimeoutError:
                continue
    assert answer == {"type": "answer", "number": 21}, answer


async def answer(alias: str) -> None:
    layer = get_channel_layer(alias)
    here = await layer.new_channel()
    await layer.group_add("answers", here)
    while True:
        question = await layer.receive(here)
        await layer.send(question["back"], {"type": "answer", "number": question["number"] + 1})


async def capacity() -> None:
    """A channel takes ten messages; a group's message passes those by that are full."""
    layer = get_channel_layer()
    channels = ["first", "second", "third"]
    for channel in channels:
        await layer.group_add("crowd", channel)
    for number in range(10):
        await layer.send(channels[0], {"type": "count", "number": number})
    try:
        await layer.send(channels[0], {"type": "count", "number": 11})
    except ChannelFull:
        pass
    else:
        raise AssertionError("eleven messages in a channel of ten")
    await layer.group_send("crowd", {"type": "count", "number": 12})
    assert [(await layer.receive(channels[0]))["number"] for _ in range(10)] == list(range(10))
    assert [(await layer.receive(channel))["number"] for channel in channels[1:]] == [12, 12]
    await layer.group_discard("crowd", channels[1])
    await layer.group_send("crowd", {"type": "count", "number": 13})
    assert (await layer.receive(channels[2]))["number"] == 13
    await layer.flush()
    assert not connect(0).keys("*")


async def main() -> None:
    for chat in (Chat, PubSubChat):
        await room(chat)
    for alias in LAYERS:
        await other_process(alias)
    await capacity()
    await channel_layers["default"].close_pools()
    await channel_layers["pubsub"].flush()


if __name__ == "__main__":
    asyncio.run(answer(sys.argv[1]) if sys.argv[1:] and sys.argv[1] in LAYERS else main())
