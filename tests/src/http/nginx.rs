//! A real nginx on a backend.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lb_user::lab::Netns;
use tempfile::TempDir;

/// How long it may take to start.
const START: Duration = Duration::from_secs(10);

/// A running nginx. Dropping it kills it.
pub struct Nginx {
    process: Child,
    directory: TempDir,
}

impl Nginx {
    /// Starts it in `namespace`; `servers` is what its configuration has inside `http`, where `{www}` stands for
    /// [`Nginx::files`].
    pub fn start(namespace: &Netns, servers: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let dir = directory.path().display();
        fs::create_dir(directory.path().join("www"))?;
        let servers = servers.replace("{www}", &directory.path().join("www").display().to_string());
        // One process, so that killing it ends it all.
        let config = format!(
            "daemon off; master_process off; user root; pid {dir}/pid; error_log {dir}/error.log;
             events {{ worker_connections 4096; }}
             http {{
                 access_log off; sendfile on; types {{ text/html html; image/png png; text/css css; }}
                 client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
                 uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
                 {servers}
             }}"
        );
        let [file, errors] = ["nginx.conf", "error.log"].map(|name| directory.path().join(name));
        fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(file).arg("-e").arg(&errors).process_group(0);
        let nginx = Self { process: namespace.spawn(&mut command)?, directory };
        let start = Instant::now();
        while !nginx.directory.path().join("pid").exists() {
            let said = fs::read_to_string(&errors).unwrap_or_default();
            ensure!(start.elapsed() < START, "nginx does not start: {said}");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    /// Where `{www}` is.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.directory.path().join("www")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Both fail only for a process that is gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
