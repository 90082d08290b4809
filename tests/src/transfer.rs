//! Large files through the balancer: a real nginx on the backends, a real curl on the clients.

use std::{
    fs::{self, File},
    io::{self, Read},
    net::{IpAddr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{
    BACKEND_PORTS, Family, Lab, Netns,
    config::{Backend, Service},
    plan,
};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};

/// SHA-256.
pub type Sum = [u8; 32];

/// How long nginx may take to start.
const START: Duration = Duration::from_secs(5);

/// A file of random bytes.
pub struct RandomFile {
    directory: TempDir,
    /// Of its content.
    pub sum: Sum,
}

impl RandomFile {
    /// Writes `size` bytes.
    pub fn new(size: u64) -> Result<Self> {
        let directory = TempDir::new()?;
        let mut random = File::open("/dev/urandom")?.take(size);
        io::copy(&mut random, &mut File::create(directory.path().join("file"))?)?;
        let sum = sum_file(&directory.path().join("file"))?;
        Ok(Self { directory, sum })
    }

    /// Where it is.
    #[must_use]
    fn path(&self) -> PathBuf {
        self.directory.path().join("file")
    }
}

/// An nginx that hands out `/file` and stores what is PUT. Dropping it kills it.
pub struct Nginx {
    process: Child,
    directory: TempDir,
}

impl Nginx {
    /// Starts it on `ports` of all addresses in `namespace`.
    pub fn start(namespace: &Netns, ports: &[u16], file: &RandomFile) -> Result<Self> {
        let directory = TempDir::new()?;
        let root = directory.path();
        fs::create_dir(root.join("www"))?;
        std::os::unix::fs::symlink(file.path(), root.join("www/file"))?;
        let listen: String = ports.iter().map(|port| format!("listen {port}; listen [::]:{port};")).collect();
        let dir = root.display();
        // One process, so that killing it ends it all.
        let config = format!(
            "daemon off; master_process off; user root; pid {dir}/pid; error_log {dir}/error.log;
             events {{ worker_connections 2048; }}
             http {{
                 access_log off; sendfile on;
                 client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
                 uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
                 server {{ {listen} root {dir}/www; dav_methods PUT; client_max_body_size 1g; }}
             }}"
        );
        fs::write(root.join("nginx.conf"), config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(root.join("nginx.conf")).arg("-e").arg(root.join("error.log")).process_group(0);
        let process = namespace.spawn(&mut command)?;
        let nginx = Self { process, directory };
        let start = Instant::now();
        while !nginx.directory.path().join("pid").exists() {
            ensure!(start.elapsed() < START, "nginx does not start: {}", nginx.errors());
            thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    /// Starts one on each backend of the lab, at [`BACKEND_PORTS`].
    pub fn on_backends(lab: &Lab, file: &RandomFile) -> Result<Vec<Self>> {
        lab.backends().iter().map(|backend| Self::start(backend, &BACKEND_PORTS, file)).collect()
    }

    /// Sum of what was PUT as `/up`, which is removed.
    fn take_stored(&self) -> Result<Sum> {
        let path = self.directory.path().join("www/up");
        let sum = sum_file(&path)?;
        fs::remove_file(path)?;
        Ok(sum)
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.directory.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A running download by curl. Dropping it kills it.
pub struct Download(Child);

impl Download {
    /// Starts `GET /file` from `source`, at most `rate` (as curl writes it, `"40M"`) a second.
    pub fn start(clients: &Netns, source: IpAddr, target: SocketAddr, rate: Option<&str>) -> Result<Self> {
        let mut command = curl(source);
        if let Some(rate) = rate {
            command.args(["--limit-rate", rate]);
        }
        command.arg(format!("http://{target}/file")).stdout(Stdio::piped());
        Ok(Self(clients.spawn(&mut command)?))
    }

    /// Whether it still runs.
    pub fn running(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Sum of what arrives until the end. `curl` pauses while nobody reads, so call this soon.
    pub fn finish(mut self) -> Result<Sum> {
        let sum = sum(self.0.stdout.take().expect("stdout was piped"))?;
        let status = self.0.wait()?;
        ensure!(status.success(), "curl: {status}");
        Ok(sum)
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A download that goes on while a test does other things, by `nat` from an nginx on the lab's first backend.
pub struct LongDownload {
    download: JoinHandle<Result<Sum>>,
    file: RandomFile,
    _server: Nginx,
}

impl LongDownload {
    const PORT: u16 = 8000;

    fn target() -> SocketAddr {
        SocketAddr::new(plan::vip(Family::V4), Self::PORT)
    }

    /// The service that it needs.
    #[must_use]
    pub fn service() -> Service {
        Service {
            backend: vec![Backend::new(Family::V4, 0, Self::PORT)],
            ..Service::new("files", "nat", Self::target(), 0, 0)
        }
    }

    /// Starts it: `size` bytes, at most `rate` a second.
    pub fn start(lab: &Lab, size: u64, rate: &str) -> Result<Self> {
        let file = RandomFile::new(size)?;
        let server = Nginx::start(&lab.backends()[0], &[Self::PORT], &file)?;
        let source = plan::client(Family::V4, 0);
        let download = Download::start(lab.clients(), source, Self::target(), Some(rate))?;
        Ok(Self { download: spawn_blocking(|| download.finish()), file, _server: server })
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.download.is_finished()
    }

    /// Waits for its end; an error unless the file arrived whole.
    pub async fn finish(self) -> Result<()> {
        ensure!(self.download.await?? == self.file.sum, "what was downloaded is another file");
        Ok(())
    }
}

/// Downloads `file` from `target`; an error unless it arrives whole.
pub fn down(clients: &Netns, source: IpAddr, target: SocketAddr, file: &RandomFile) -> Result<()> {
    let arrived = Download::start(clients, source, target, None)?.finish();
    let arrived = arrived.with_context(|| format!("download by {source} from {target}"))?;
    ensure!(arrived == file.sum, "what {source} has downloaded from {target} is another file");
    Ok(())
}

/// Uploads `file` to `target`; an error unless it arrives whole at `server`.
pub fn up(
    clients: &Netns,
    source: IpAddr,
    target: SocketAddr,
    file: &RandomFile,
    server: &Nginx,
) -> Result<()> {
    let status = start_upload(clients, source, target, file)?.wait()?;
    ensure!(status.success(), "upload by {source} to {target}: curl: {status}");
    let stored = server.take_stored().with_context(|| format!("upload by {source} to {target}"))?;
    ensure!(stored == file.sum, "what {source} has uploaded to {target} is another file");
    Ok(())
}

/// Starts to PUT `file` as `/up`.
pub fn start_upload(clients: &Netns, source: IpAddr, target: SocketAddr, file: &RandomFile) -> Result<Child> {
    let mut command = curl(source);
    command.arg("--upload-file").arg(file.path()).arg(format!("http://{target}/up")).stdout(Stdio::null());
    Ok(clients.spawn(&mut command)?)
}

fn curl(source: IpAddr) -> Command {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "120",
        "--interface",
        &source.to_string(),
    ]);
    command
}

fn sum_file(path: &Path) -> Result<Sum> {
    sum(File::open(path)?)
}

fn sum(mut from: impl Read) -> Result<Sum> {
    let (mut hash, mut buffer) = (Sha256::new(), [0; 65_536]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(hash.finalize().into())
}
