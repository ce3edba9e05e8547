"""What this machine's firewall says of a port, where its rules can be read.

That takes root. iptables-save shows what iptables, ufw and Docker have made; nft shows what
firewalld and a hand-written ruleset have. Of the rules three things are looked at: the policy for
what comes in, rules that let a port in or keep it out by its number, and rules that keep out
whatever is left. Which interface or address a rule is for is left to who reads it.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import psutil

from dicom_router.said import Said, said

_PATIENCE_SECONDS = 2.0
_UFW = Path("/etc/ufw/ufw.conf")  # readable by all, other than its rules
_KEEPS_OUT = ("DROP", "REJECT")
_NOTHING = said("")


class Tool(Enum):
    """What manages the rules, and its command that opens a port."""

    UFW = "sudo ufw allow {port}/tcp"
    FIREWALLD = "sudo firewall-cmd --permanent --add-port={port}/tcp && sudo firewall-cmd --reload"
    NFT = "sudo nft insert rule {chain} tcp dport {port} accept"
    IPTABLES = "sudo iptables -I INPUT -p tcp --dport {port} -j ACCEPT"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that lets in or keeps out; without `ports` it is for all of them."""

    lets_in: bool
    ports: tuple[range, ...]
    is_for_all: bool  # has no other condition
    text: str

    def names(self, port: int) -> bool:
        """Whether it is about this port by its number."""
        return any(port in each for each in self.ports)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is done with what comes in."""

    policy_lets_in: bool
    rules: tuple[Rule, ...]
    chain: str = "inet filter input"  # for a command of nft

    def judge(self, port: int) -> tuple[bool, Said | None]:
        """Whether the port is open, and by what; None where nothing is said of it."""
        for rule in self.rules:
            if rule.names(port):
                return rule.lets_in, said("the rule `{rule}`", rule=rule.text)
            if rule.is_for_all and not rule.ports:
                why = said("the rule `{rule}`, and none before it names the port", rule=rule.text)
                return rule.lets_in, why
        if self.policy_lets_in:
            return True, None
        return False, said("its policy, and no rule names the port")


@dataclass(frozen=True, slots=True)
class Firewall:
    """The rules of this machine; `rules` is None where they can't be read, and `why` says why."""

    tool: Tool
    rules: tuple[Rules, ...] | None
    why: Said = _NOTHING

    def command(self, port: int) -> str:
        """What opens a port, exactly."""
        chain = next((each.chain for each in self.rules or () if not each.judge(port)[0]), None)
        return self.tool.value.format(port=port, chain=chain or "inet filter input")

    def judge(self, port: int) -> tuple[bool, Said]:
        """Whether the port is open as far as is known, as a clause."""
        if self.rules is None:
            return True, said("the firewall's rules can't be read from here ({why})", why=self.why)
        told = [each.judge(port) for each in self.rules]
        against = [why for is_open, why in told if not is_open]
        if against:
            return False, said("the firewall keeps it closed by {why}", why=against[0])
        letting_in = [why for _, why in told if why]
        if letting_in:
            return True, said("the firewall lets it in by {why}", why=letting_in[0])
        return True, said("no firewall is against it")


def read() -> Firewall:
    """The firewall of this machine."""
    has_ufw = _ufw_is_on()
    saved = _output("iptables-save")
    listed = _output("nft", "--json", "list", "ruleset")
    if has_ufw:
        tool = Tool.UFW
    elif _runs("firewalld"):
        tool = Tool.FIREWALLD
    elif shutil.which("nft") and not shutil.which("iptables"):
        tool = Tool.NFT
    else:
        tool = Tool.IPTABLES
    if saved is None and listed is None:
        there = shutil.which("nft") or shutil.which("iptables-save")
        why = said("that takes root") if there else said("neither nft nor iptables is here")
        return Firewall(tool, None, why)
    found = [rules] if saved and (rules := of_iptables(saved)) else []
    # What iptables itself has made is shown by nft too, but not all of it so that it can be read.
    found += of_nft(json.loads(listed), without_iptables=saved is not None) if listed else []
    return Firewall(tool, tuple(found))


def of_iptables(saved: str) -> Rules | None:
    """What `iptables-save` says of what comes in; None without a table `filter`."""
    table = saved.partition("*filter\n")[2].partition("\nCOMMIT")[0].splitlines()
    policies = [line.split() for line in table if line.startswith(":INPUT ")]
    if not policies:
        return None
    chains: dict[str, list[list[str]]] = {}
    for line in table:
        words = line.split()
        if words[:1] == ["-A"]:
            chains.setdefault(words[1], []).append(words[2:])
    rules = tuple(_iptables_rules("INPUT", chains, frozenset()))
    return Rules(policies[0][1] == "ACCEPT", rules)


def _iptables_rules(
    chain: str, chains: dict[str, list[list[str]]], within: frozenset[str]
) -> Iterator[Rule]:
    """The rules of a chain and of those that it jumps to, in order."""
    for words in chains.get(chain, ()):
        target = _after("-j", words) or _after("-g", words)
        if target in chains and target not in within:
            yield from _iptables_rules(target, chains, within | {chain})
        if target not in ("ACCEPT", *_KEEPS_OUT) or _after("-p", words) not in (None, "tcp"):
            continue
        named = _after("--dport", words) or _after("--dports", words) or ""
        ports = tuple(map(_ports, filter(None, named.split(","))))
        is_for_all = not within and words[: words.index("-j")] in ([], ["-p", "tcp"])
        text = " ".join(["-A", chain, *words])
        yield Rule(target == "ACCEPT", ports, is_for_all, text)


def of_nft(listed: dict[str, Any], *, without_iptables: bool) -> list[Rules]:
    """What `nft --json list ruleset` says of what comes in, by base chain."""
    items = listed["nftables"]
    chains = [item["chain"] for item in items if "chain" in item]
    rules: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for item in items:
        if rule := item.get("rule"):
            key = rule["family"], rule["table"], rule["chain"]
            rules.setdefault(key, []).append(rule)
    found = []
    for chain in chains:
        of_iptables_too = chain["family"] in ("ip", "ip6") and chain["name"] == "INPUT"
        if chain.get("hook") != "input" or (without_iptables and of_iptables_too):
            continue
        key = chain["family"], chain["table"], chain["name"]
        found.append(
            Rules(
                chain.get("policy", "accept") == "accept",
                tuple(_nft_rules(key, rules, frozenset())),
                " ".join(key),
            )
        )
    return found


def _nft_rules(
    key: tuple[str, str, str],
    rules: dict[tuple[str, str, str], list[dict[str, Any]]],
    within: frozenset[str],
) -> Iterator[Rule]:
    family, table, name = key
    for rule in rules.get(key, ()):
        expressions = [each for each in rule["expr"] if "counter" not in each]
        verdicts = {kind for each in expressions for kind in each}
        for each in expressions:
            target = (each.get("jump") or each.get("goto") or {}).get("target")
            if target and target not in within:
                yield from _nft_rules((family, table, target), rules, within | {name})
        if not verdicts & {"accept", "drop", "reject"}:
            continue
        ports = tuple(_nft_ports(expressions))
        is_for_all = not within and not any("match" in each for each in expressions)
        what = "accept" if "accept" in verdicts else "drop"
        shown = " ".join(f"{p.start}" if len(p) == 1 else f"{p.start}-{p[-1]}" for p in ports)
        text = f"{' '.join(key)}{f' tcp dport {shown}' if ports else ''} {what}"
        yield Rule(what == "accept", ports, is_for_all, text)


def _nft_ports(expressions: Iterable[dict[str, Any]]) -> Iterator[range]:
    """Those that a rule compares the destination port of TCP with."""
    for each in expressions:
        match = each.get("match", {})
        payload = match.get("left", {}) if isinstance(match.get("left"), dict) else {}
        if payload.get("payload", {}) == {"protocol": "tcp", "field": "dport"}:
            right = match["right"]
            values = right["set"] if isinstance(right, dict) and "set" in right else [right]
            for value in values:
                if isinstance(value, int):
                    yield range(value, value + 1)
                elif isinstance(value, dict) and "range" in value:
                    yield range(value["range"][0], value["range"][1] + 1)


def _ports(named: str) -> range:
    first, _, last = named.partition(":")
    return range(int(first or 0), int(last or first) + 1)


def _after(option: str, words: list[str]) -> str | None:
    """The word behind an option; None without it, or where it is negated."""
    if option not in words or words[words.index(option) - 1] == "!":
        return None
    return words[words.index(option) + 1]


def _output(*command: str) -> str | None:
    """What a program prints; None where it is not there or may not."""
    path = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
            text=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _ufw_is_on() -> bool:
    try:
        return "\nENABLED=yes" in _UFW.read_text("utf-8")
    except OSError:
        return False


def _runs(program: str) -> bool:
    return any(each.info["name"] == program for each in psutil.process_iter(["name"]))
