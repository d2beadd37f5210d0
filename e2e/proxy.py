"""nginx as it comes, before a gateway."""

import os
import shutil
import signal
import subprocess

from running import until

NGINX = """
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen unix:{folder}/socket; location / {{ proxy_pass http://127.0.0.1:{port}; {more} }} }}
}}
"""


class Nginx:
    """nginx before the gateway, on a socket in the file system; `Relay`-like, for it has no port 0."""

    def __init__(self, folder, port, more):
        config = folder / "nginx.conf"
        config.write_text(
            NGINX.format(folder=folder, port=port, more=more, user="user root;" if os.geteuid() == 0 else "")
        )
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([program, "-c", str(config), "-e", f"{folder}/error.log"])
        self.socket = folder / "socket"
        until(lambda: self.socket.exists() or self.process.poll() is not None, what="nginx")

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(15) == 0
