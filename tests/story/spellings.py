"""Addresses that no webhook may reach, as they can be written, and names that lead to such."""

# What a URL's host may look like that is an address of this machine, its network, its provider, or nobody's.
HOSTS = [
    # loopback
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "127.0.0.1.", "0x7f000001", "0x7f.1", "0X7F.0x0.0x0.0x1", "2130706433", "0177.0.0.1",
    "017700000001", "0177.0x0.1", "127.000.000.001", "①②⑦.0.0.1", "１２７.0.0.1", "127。0。0。1", "%31%32%37.0.0.1",
    "localhost", "localhost.", "LOCALHOST", "app.localhost",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    # this network, and none
    "0.0.0.0", "0", "0.1.2.3", "[::]",
    # private
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "3232235777", "[::ffff:10.0.0.1]",
    "[fc00::1]", "[fdff:ffff::1]", "[fec0::1]",
    # carriers', benchmarks', documents', protocols'
    "100.64.0.1", "100.127.255.254", "198.18.0.1", "198.19.255.254", "192.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1",
    "[2001:db8::1]", "[100::1]",
    # of machines in a cloud
    "169.254.169.254", "0xa9fea9fe", "2852039166", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "100.100.100.200", "192.0.0.192",
    # link-local, many at once, reserved
    "169.254.0.1", "[fe80::1]", "224.0.0.1", "239.255.255.255", "[ff02::1]", "240.0.0.1", "255.255.255.255",
    # IPv4 inside IPv6
    "[64:ff9b::7f00:1]", "[64:ff9b::169.254.169.254]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
]

# Whole URLs that are not what they seem, or not of the web.
URLS = [
    "https://good.test@127.0.0.1/", "https://good.test:secret@93.184.216.34/", "https://127.0.0.1\\@good.test/", "https:127.0.0.1", "https:///127.0.0.1/",
    "https://127.0.0.1#@good.test/", "https://127.0.0.1?@good.test/", "https://12\t7.0.0.1/", "//127.0.0.1/", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_", "ftp://127.0.0.1/", "javascript:alert(1)", "data:text/plain,a", "http://93.184.216.34/",
    "https://93.184.216.34:22/", "https://93.184.216.34:25/", "https://93.184.216.34:6379/", "https://93.184.216.34:5432/", "https://", "", " ",
]

# By name: the addresses that it has.
NAMES = {
    "loopback.test": ["127.0.0.1"], "loopback-six.test": ["::1"], "private.test": ["10.0.0.1"], "metadata.test": ["169.254.169.254"],
    "carrier.test": ["100.64.0.1"], "unspecified.test": ["0.0.0.0"], "mapped.test": ["::ffff:127.0.0.1"], "translated.test": ["64:ff9b::7f00:1"],
    "both.test": ["93.184.216.34", "127.0.0.1"], "both-six.test": ["93.184.216.34", "fd00:ec2::254"],
}

# By name: the addresses that it has one after another.
CHANGING = {"rebound.test": ["93.184.216.34", "127.0.0.1"], "rebound-late.test": ["93.184.216.34"] * 2 + ["169.254.169.254"]}

PUBLIC = "93.184.216.34"  # anybody's


def urls():
    """Every URL that is to be refused as it is written."""
    return [f"https://{host}/" for host in HOSTS] + [f"https://{host}:8443/hook" for host in HOSTS[:4]] + URLS
