"""Where requests to outside parties may go, in whatever form an address is written."""

import ipaddress

import pytest

from integrations.addresses import is_allowed, written_out

PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::808:808"]
PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.2.3",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_may_be_sent_to(address):
    assert is_allowed(address, [])


@pytest.mark.parametrize("address", PRIVATE)
def test_everything_else_may_not(address):
    assert not is_allowed(address, [])


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.1.0.0/16", ["10.1.2.3", "::ffff:10.1.2.3"], ["10.2.0.1", "127.0.0.1", "::1"]),
        ("127.0.0.0/8", ["127.0.0.1"], ["::1", "10.0.0.1"]),
        ("fd00::/8", ["fd12::1"], ["fc00::1", "10.0.0.1"]),
    ],
)
def test_networks_of_the_librarys_own_may_be_sent_to_once_they_are_named(network, inside, outside):
    named = [ipaddress.ip_network(network)]

    assert all(is_allowed(address, named) for address in inside)
    assert not any(is_allowed(address, named) for address in outside)
    assert all(is_allowed(address, named) for address in PUBLIC)


def test_what_tells_of_a_providers_machine_is_not_sent_to_whatever_is_named():
    assert not is_allowed("fd00:ec2::254", [ipaddress.ip_network("fd00::/8")])


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1"])
def test_an_address_is_recognised_in_every_form(host):
    assert written_out(host) == "127.0.0.1"


@pytest.mark.parametrize("host", ["example.org", "localhost", "x" * 300, "é.example", ""])
def test_a_name_is_no_address(host):
    assert written_out(host) is None
