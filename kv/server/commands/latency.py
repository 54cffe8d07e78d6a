"""LATENCY: spikes by event, and histograms of commands."""
from __future__ import annotations

from kv._core.engine.inspect import latency_figures
from kv._core.runtime.call import ReplyError, Verbatim
from kv._core.runtime.latencystats import calls_of, histogram_us
from kv._core.runtime.registry import command, container

from .help import declare_help

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..call import Call

FLAGS = "admin noscript loading stale"
EVENTS = {"group": "server", "since": "2.8.13", "complexity": "O(1)"}
TIPS = "nondeterministic_output request_policy:all_nodes response_policy:special"

container("latency", group="server", since="2.8.13", summary="Latency spikes, and how long commands take.")


def event_name(call: Call) -> str:
    return call.args[0].decode("utf-8", "surrogateescape")


@command("latency|latest", 2, FLAGS, tips=TIPS, summary="The last spike of each event.", **EVENTS)
def latency_latest(call: Call):
    return [[name, *event.samples[-1], event.worst, event.total, event.count]
            for name, event in call.server.latency.events.items()]


@command("latency|history", 3, FLAGS, tips=TIPS, summary="The spikes of an event.", args="event", **EVENTS)
def latency_history(call: Call):
    event = call.server.latency.events.get(event_name(call))
    return [list(sample) for sample in event.samples] if event else []


@command("latency|graph", 3, FLAGS, tips=TIPS, summary="Draws the spikes of an event.", args="event", **EVENTS)
def latency_graph(call: Call):
    name = event_name(call)
    if name not in call.server.latency.events:
        raise ReplyError(f"ERR No samples available for event '{name}'")
    return Verbatim(call.server.latency.graph(name))


@command("latency|doctor", 2, FLAGS, tips=TIPS, summary="What the spikes say is wrong.", **EVENTS)
def latency_doctor(call: Call):
    return Verbatim(call.server.latency.doctor(call.server.children.fork_us))


@command("latency|reset", -2, FLAGS, tips="request_policy:all_nodes response_policy:agg_sum",
         summary="Forgets the spikes of events.", args="[event...]", **EVENTS)
def latency_reset(call: Call):
    return call.server.latency.reset([word.decode("utf-8", "surrogateescape") for word in call.args])


@command("latency|histogram", -2, FLAGS, group="server", since="7.0.0", complexity="O(N)", tips=TIPS,
         summary="How long commands take, cumulated by powers of two.", args="[command...]")
def latency_histogram(call: Call):
    figures = {name: counts for name, counts in latency_figures(call.engine).items() if calls_of(counts)}
    if call.args:
        figures = {name: counts for word in call.args for name, counts in figures.items()
                   if name == shown(word) or name.startswith(shown(word) + "|")}
    return {name: {"calls": calls_of(counts), "histogram_usec": histogram_us(counts)} for name, counts in figures.items()}


def shown(word: bytes) -> str:
    return word.decode("latin-1").lower()


declare_help("latency", "server", "2.8.13", "loading stale", [
    "DOCTOR", "    What the spikes say is wrong, and what to do.",
    "GRAPH <event>", "    A drawing of the spikes of an event.",
    "HISTORY <event>", "    The spikes of an event: unix time, milliseconds.",
    "LATEST", "    Of each event: its name, the last spike's unix time and milliseconds, the worst, the sum and the number.",
    "RESET [<event> ...]", "    Forget the spikes of events (default: of all).",
    "HISTOGRAM [<command> ...]", "    Of commands (default: all): calls, and how many took at most so many microseconds."])
