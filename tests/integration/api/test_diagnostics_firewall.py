"""What is told of firewalls: of rules as their tools print them, and of a real one."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from dicom_router.said import said
from services.api.checks.firewall import Firewall, Rules, Tool, of_iptables, of_nft
from tests.conftest import skip_or_fail

OPEN = """*filter
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
-A FORWARD -j DOCKER
-A DOCKER -j DROP
COMMIT
"""
# As `iptables-persistent` and many guides have it.
CLOSED_AT_THE_END = """*nat
:INPUT ACCEPT [0:0]
COMMIT
*filter
:INPUT ACCEPT [0:0]
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p udp -m udp --dport 11112 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -s 10.0.0.0/8 -p tcp -m multiport --dports 104,4100:4110 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A INPUT -p tcp -m tcp --dport 2762 -j ACCEPT
COMMIT
"""
UFW = """*filter
:INPUT DROP [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
-A INPUT -j ufw-before-input
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 104 -j ACCEPT
-A ufw-user-input -p tcp -m tcp --dport 23 -j DROP
COMMIT
"""


def nft(*rules: dict[str, Any], policy: str = "accept", **more: Any) -> dict[str, Any]:
    """What `nft --json list ruleset` prints of one base chain."""
    chain = {"family": "inet", "table": "filter", "handle": 1}
    base = {**chain, "name": "input", "type": "filter", "hook": "input", "prio": 0, **more}
    items = [{"rule": {**chain, "chain": "input", **each}} for each in rules]
    return {
        "nftables": [
            {"metainfo": {"json_schema_version": 1}},
            {"table": {"family": "inet", "name": "filter", "handle": 1}},
            {"chain": {**base, "policy": policy}},
            *items,
        ]
    }


def match(right: Any) -> dict[str, Any]:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": right}}


@pytest.mark.parametrize(
    ("saved", "port", "is_open", "why"),
    [
        (OPEN, 11112, True, "None"),
        (CLOSED_AT_THE_END, 22, True, "--dport 22"),
        (CLOSED_AT_THE_END, 4105, True, "-s 10.0.0.0/8"),
        (CLOSED_AT_THE_END, 11112, False, "REJECT"),
        (CLOSED_AT_THE_END, 2762, False, "REJECT"),
        (UFW, 104, True, "ufw-user-input"),
        (UFW, 11112, False, "policy"),
        (UFW, 23, False, "--dport 23 -j DROP"),
    ],
)
def test_rules_of_iptables_are_judged_by_the_port(
    saved: str, port: int, is_open: bool, why: str
) -> None:
    rules = of_iptables(saved)
    assert rules is not None
    told = rules.judge(port)
    assert told[0] is is_open
    assert why in str(told[1])


@pytest.mark.parametrize(
    ("listed", "port", "is_open"),
    [
        (nft(), 11112, True),
        (nft(policy="drop"), 11112, False),
        (nft({"expr": [match(11112), {"accept": None}]}, policy="drop"), 11112, True),
        (nft({"expr": [match({"set": [104, 11112]}), {"accept": None}]}, policy="drop"), 104, True),
        (nft({"expr": [match({"range": [1, 99]}), {"accept": None}]}, policy="drop"), 104, False),
        (nft({"expr": [match(104), {"counter": {}}, {"drop": None}]}), 104, False),
        (nft({"expr": [{"counter": {}}, {"reject": {}}]}), 104, False),
        (nft(policy="drop", hook="forward"), 104, True),
    ],
)
def test_rules_of_nft_are_judged_by_the_port(
    listed: dict[str, Any], port: int, is_open: bool
) -> None:
    found = Firewall(Tool.NFT, tuple(of_nft(listed, without_iptables=False)))
    assert found.judge(port)[0] is is_open
    if not is_open:
        command = f"sudo nft insert rule inet filter input tcp dport {port} accept"
        assert found.command(port) == command


def test_what_iptables_has_made_is_not_judged_twice() -> None:
    listed = nft(policy="drop")
    listed["nftables"][2]["chain"] |= {"family": "ip", "name": "INPUT"}
    assert of_nft(listed, without_iptables=True) == []
    assert len(of_nft(listed, without_iptables=False)) == 1


def test_rules_that_cannot_be_read_are_not_taken_for_a_closed_port() -> None:
    is_open, why = Firewall(Tool.UFW, None, said("that takes root")).judge(104)
    assert is_open
    assert why == "the firewall's rules can't be read from here (that takes root)"
    closed = Rules(policy_lets_in=False, rules=())
    assert Firewall(Tool.UFW, (closed,)).command(104) == "sudo ufw allow 104/tcp"
    assert "--add-port=104/tcp" in Firewall(Tool.FIREWALLD, (closed,)).command(104)


def test_a_real_firewall_is_read() -> None:
    own_network = subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True)
    if own_network.returncode or not shutil.which("iptables-save"):
        skip_or_fail("needs iptables, and that a user may have a network of their own")
    commands = (
        "iptables -P INPUT DROP",
        "iptables -A INPUT -p tcp -m multiport --dports 104,4100 -j ACCEPT",
    )
    look = (
        "import json; from services.api.checks.firewall import read; found = read(); "
        "print(json.dumps([*(found.judge(port)[0] for port in (104, 11112)), "
        "found.command(11112)]))"
    )
    script = " && ".join([*commands, f'exec {sys.executable} -c "{look}"'])
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", script], capture_output=True, text=True, check=True
    )
    lets_104_in, lets_11112_in, command = json.loads(done.stdout)
    assert (lets_104_in, lets_11112_in) == (True, False)
    assert "11112" in command
