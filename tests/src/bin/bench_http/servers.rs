//! nginx on the backends, and HAProxy and nginx in Limpet's place.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path as File, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::Netns;

use crate::{
    scenario::{HUGE, LARGE},
    site::{BACKENDS, PORT, backend},
    system::System,
};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(5);

/// A certificate, and its key: ECDSA with P-256.
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file.
    both: PathBuf,
}

impl Identity {
    pub(crate) fn make(directory: &File) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["limpet.test".to_owned()])?;
        let (certificate, key) = (made.cert.pem(), made.key_pair.serialize_pem());
        let file = |name: &str, text: &str| -> Result<PathBuf> {
            let file = directory.join(name);
            fs::write(&file, text)?;
            Ok(file)
        };
        Ok(Self {
            both: file("both.pem", &format!("{certificate}{key}"))?,
            certificate: file("certificate.pem", &certificate)?,
            key: file("key.pem", &key)?,
        })
    }
}

/// A server. Dropping it ends it, and its workers.
pub(crate) struct Server(Child);

impl Server {
    /// A web server with something small, and something large.
    pub(crate) fn backend(namespace: &Netns, directory: &File, name: &str) -> Result<Self> {
        let root = directory.join("www");
        fs::create_dir_all(&root)?;
        for (file, bytes) in [("large", LARGE), ("huge", HUGE)] {
            fs::write(root.join(file), vec![b'x'; bytes])?;
        }
        let server = format!(
            "sendfile on; tcp_nopush on; open_file_cache max=16;
             server {{
                 listen {PORT} backlog=4096; root {};
                 location = / {{ return 200 \"{name}\\n\"; }}
             }}",
            root.display()
        );
        Self::start_nginx(namespace, directory, name, &server, 1, SocketAddr::from(([127, 0, 0, 1], PORT)))
    }

    /// nginx between clients and backends. It hashes a cookie that it gives to whoever has none: what its free version has
    /// that comes nearest.
    pub(crate) fn nginx(
        namespace: &Netns,
        directory: &File,
        identity: &Identity,
        threads: usize,
    ) -> Result<Self> {
        let [plain, tls] = [false, true].map(|is_tls| System::Nginx.address(is_tls));
        let servers: String = (0..BACKENDS).map(|index| format!("server {}; ", backend(index))).collect();
        let server = format!(
            "map $cookie_SRV $client {{ '' $request_id; default $cookie_SRV; }}
             map $cookie_SRV $gift {{ '' 'SRV=$request_id; Path=/; HttpOnly'; default ''; }}
             upstream backends {{ hash $client consistent; {servers} keepalive 256; keepalive_requests 100000000; }}
             server {{
                 listen {plain} backlog=4096; listen {tls} ssl backlog=4096;
                 ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3;
                 location / {{
                     proxy_pass http://backends; proxy_http_version 1.1;
                     proxy_set_header Connection ''; proxy_set_header Host $http_host;
                     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                     proxy_buffer_size 16k; proxy_buffers 8 32k; proxy_busy_buffers_size 128k;
                     proxy_max_temp_file_size 0;
                     add_header Set-Cookie $gift;
                 }}
             }}",
            identity.certificate.display(),
            identity.key.display(),
        );
        Self::start_nginx(namespace, directory, "proxy", &server, threads, plain)
    }

    fn start_nginx(
        namespace: &Netns,
        directory: &File,
        name: &str,
        server: &str,
        workers: usize,
        listens: SocketAddr,
    ) -> Result<Self> {
        let (file, dir) = (directory.join(format!("{name}.conf")), directory.display());
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {dir}/{name}-{kind}; "))
            .concat();
        let config = format!(
            "daemon off; user root; pid {dir}/{name}.pid; worker_processes {workers};
             error_log {dir}/{name}.log; worker_rlimit_nofile 32768;
             events {{ worker_connections 8192; }}
             http {{ {temporary} access_log off; keepalive_requests 100000000; {server} }}"
        );
        fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-e").arg(directory.join(format!("{name}.log")));
        Self::start(namespace, &mut command, listens).context("nginx")
    }

    /// HAProxy between clients and backends.
    pub(crate) fn haproxy(
        namespace: &Netns,
        directory: &File,
        identity: &Identity,
        threads: usize,
    ) -> Result<Self> {
        let [plain, tls] = [false, true].map(|is_tls| System::Haproxy.address(is_tls));
        let (file, timeout) = (directory.join("haproxy.cfg"), "30s");
        let servers: String = (0..BACKENDS)
            .map(|index| format!("    server b{index} {} cookie b{index}\n", backend(index)))
            .collect();
        let config = format!(
            "global\n    nbthread {threads}\n    maxconn 8192\n\
             defaults\n    mode http\n    timeout connect {timeout}\n    timeout client {timeout}\n    \
             timeout server {timeout}\n    http-reuse always\n    option forwardfor\n\
             listen balancer\n    bind {plain}\n    bind {tls} ssl crt {} alpn h2,http/1.1\n    \
             balance roundrobin\n    cookie SRV insert indirect nocache\n{servers}",
            identity.both.display(),
        );
        fs::write(&file, config)?;
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]).arg(&file);
        Self::start(namespace, &mut command, plain).context("haproxy")
    }

    /// Starts `command` and waits until it listens.
    fn start(namespace: &Netns, command: &mut Command, listens: SocketAddr) -> Result<Self> {
        // A process group of its own: Ctrl-C at the terminal is for the one who started it.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut server = Self(namespace.spawn(command).context("is it installed?")?);
        let begin = Instant::now();
        while namespace.run(|| TcpStream::connect(listens)).is_err() {
            ensure!(server.0.try_wait()?.is_none() && begin.elapsed() < START, "it does not start");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Its own, and its workers'.
    pub(crate) fn processes(&self) -> Result<Vec<u32>> {
        let first = self.0.id();
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"))?;
        let children = children.split_whitespace().map(str::parse);
        Ok([Ok(first)].into_iter().chain(children).collect::<Result<_, _>>()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Workers end with their master if that is asked to; the lab ends those that don't.
        if let Ok(id) = self.0.id().try_into() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM);
        }
        let _ = self.0.wait();
    }
}
