//! nginx on the backends, and HAProxy. Each is one thread, so that its CPU is chosen by whom it belongs to.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::Path as File,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::Netns;

use crate::{
    plan::{BACKENDS, PORT},
    system::System,
};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(5);

/// A server. Dropping it kills it.
pub(crate) struct Server(Child);

impl Server {
    /// A web server that closes each connection after its one short answer.
    pub(crate) fn nginx(namespace: &Netns, directory: &File) -> Result<Self> {
        let (file, dir) = (directory.join("nginx.conf"), directory.display());
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {dir}/nginx-{kind}; "))
            .concat();
        let config = format!(
            "daemon off; master_process off; user root; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
             worker_rlimit_nofile 8192;
             events {{ worker_connections 4096; }}
             http {{
                 {temporary} access_log off; keepalive_timeout 0;
                 server {{ listen {PORT} backlog=4096; location / {{ return 200 \"ok\\n\"; }} }}
             }}"
        );
        fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-e").arg(directory.join("nginx.log"));
        Self::start(namespace, &mut command, Ipv4Addr::LOCALHOST).context("nginx")
    }

    /// HAProxy between clients and backends.
    pub(crate) fn haproxy(namespace: &Netns, directory: &File) -> Result<Self> {
        let (file, path) = (directory.join("haproxy.cfg"), System::Haproxy.path());
        let (service, timeout) = (System::Haproxy.target(), "30s");
        let servers: String = (0..BACKENDS)
            .map(|index| format!("    server b{index} {}:{PORT}\n", path.backend(index)))
            .collect();
        let config = format!(
            "global\n    nbthread 1\n    maxconn 4096\n\
             defaults\n    mode tcp\n    timeout connect {timeout}\n    timeout client {timeout}\n    \
             timeout server {timeout}\n\
             listen balancer\n    bind {service}:{PORT}\n    balance roundrobin\n{servers}"
        );
        fs::write(&file, config)?;
        // The service's address is the balancer's own.
        namespace.ip_batch(&format!("address add {service}/32 dev lo\n"))?;
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(&file);
        Self::start(namespace, &mut command, service).context("haproxy")
    }

    /// Starts `command` and waits until it listens on `address`.
    fn start(namespace: &Netns, command: &mut Command, address: Ipv4Addr) -> Result<Self> {
        // A process group of its own: Ctrl-C at the terminal is for the one who started it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut server = Self(namespace.spawn(command).context("is it installed?")?);
        let begin = Instant::now();
        while namespace.run(|| TcpStream::connect(SocketAddr::from((address, PORT)))).is_err() {
            ensure!(server.0.try_wait()?.is_none() && begin.elapsed() < START, "it does not start");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub(crate) fn process(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
