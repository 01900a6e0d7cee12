"""What the measuring scripts have in common: a server of their own, a browser, codes, what a process takes."""

import base64, hashlib, hmac, http.client, json, os, re, socket, ssl, struct, subprocess, sys, time, urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))

class Server:
    """A freshly started release server of veilpost-up, with one user."""

    def __init__(self, root, program=None, *more):
        self.up = [os.path.join(HERE, "veilpost-up"), "--root", root, "--users", "1"]
        self.up += ["--program", program] if program else []
        settings = dict(line.split("=", 1) for line in subprocess.check_output([*self.up, *more], text=True).split())
        self.pid = int(settings["T_PIDS"])
        self.vault = os.path.join(root, "vault")
        self.ports = json.load(open(os.path.join(self.vault, "ports.json")))
        self.person = json.load(open(os.path.join(self.vault, "person.json")))
        self.app_password = open(os.path.join(self.vault, "passwords")).read().split()[0]

    def down(self):
        subprocess.run([*self.up, "--down"], check=True)

class Browser:
    """Keeps its cookies and one connection, from a loopback address of its own."""

    def __init__(self, port, source="127.0.0.1"):
        self.connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=90, context=context(), source_address=(source, 0))
        self.headers = {"User-Agent": "bench", "Sec-Fetch-Site": "same-origin"}
        self.cookies = {}

    def ask(self, method, path, body=None, **headers):
        """The answer's status and octets, whatever it is."""
        headers = {**self.headers, **headers}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        octets = answer.read()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
        return answer.status, octets

    def request(self, method, path, body=None, **headers):
        status, octets = self.ask(method, path, body, **headers)
        if status >= 400:
            sys.exit(f"{method} {path}: {status}")
        return octets.decode()

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, **fields):
        if self.cookies:
            fields["csrf"] = re.search(r'name="csrf" value="([^"]*)"', self.get("/account")).group(1)
        return self.request("POST", path, urllib.parse.urlencode(fields, doseq=True))

    def sign_in(self, person):
        self.request("POST", "/sign-in", urllib.parse.urlencode({"login": person["login"], "password": person["password"]}))

def context():
    return ssl._create_unverified_context()

def code(seed):
    """The TOTP code of the moment (RFC 6238)."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 1000000:06}"

def admin(vault):
    """A connection to the administration socket. A Unix socket's path has at most 107 octets: reach it from its folder."""
    connection = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(os.path.join(vault, "data"))
    try:
        connection.connect("admin.sock")
    finally:
        os.chdir(here)
    return connection

def cpu(pid):
    """Seconds of user and system time, to 10 ms."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

def exact_cpu(pid):
    """Seconds of processor of all threads, living ones to the nanosecond (/proc/PID/task/*/schedstat)."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            total += int(open(f"/proc/{pid}/task/{task}/schedstat").read().split()[0])
        except OSError:
            pass
    return total / 1e9

def rss(pid, what="VmRSS"):
    """MiB resident; `VmHWM` is the most since `forget_peak`."""
    return int(re.search(what + r":\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1)) / 1024

def forget_peak(pid):
    open(f"/proc/{pid}/clear_refs", "w").write("5")

def median(values):
    return sorted(values)[len(values) // 2]
