//! The socket's file: made so that one daemon owns it, removed when that daemon is done.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind},
    os::unix::{
        fs::{OpenOptionsExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use nix::sys::stat::{Mode, fchmod};
use tokio::net::{UnixListener, UnixSocket};

/// Who may talk to the daemon: its user and its group.
const MODE: u32 = 0o660;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// A bound control socket. Dropped, it removes its file.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket that is ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Held for as long as the file is ours, and let go by the kernel however we end. The lock's own file
    /// stays: who removed it could remove one that another daemon has just locked.
    _lock: File,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path is in use.
    #[error("{holder} at {}; give this daemon its own --socket, or stop the other", path.display())]
    InUse {
        /// Who uses it.
        holder: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// Something else bears that name, and it isn't ours to remove.
    #[error("{} is not a socket; remove it, or choose another --socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Socket {
    /// Makes the socket (and its directory), mode 0660. The file that a dead daemon left is replaced.
    ///
    /// Clients can connect from now on; they wait until [`super::serve`] runs. Call within a tokio runtime.
    ///
    /// # Errors
    /// When a living daemon or anything else uses the path, or the system refuses.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed("create the directory", directory))?;
        }
        let lock = lock(path)?;
        remove_stale(path)?;
        let listener = listen(path).map_err(failed("listen at", path))?;
        // From here on the file is ours: an error below removes it.
        let file = SocketFile { path: path.to_owned(), _lock: lock };
        fs::set_permissions(path, Permissions::from_mode(MODE))
            .map_err(failed("set the permissions of", path))?;
        Ok(Self { listener, file })
    }

    /// The listener, and the guard that removes the file.
    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// Of two daemons that start at once, one gets the lock.
fn lock(path: &Path) -> Result<File, SocketError> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let name = Path::new(&name);
    // 0600: another user must not be able to hold it against us.
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        .open(name)
        .map_err(failed("open", name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(SocketError::InUse { holder: "another limpet answers", path: path.to_owned() })
        }
        Err(TryLockError::Error(source)) => Err(failed("lock", name)(source)),
    }
}

/// Removes a socket that nobody answers at. No limpet does, says the lock; another program may.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    use std::os::unix::fs::FileTypeExt;

    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed("remove the stale socket", path))
        }
        Err(error) => Err(failed("take over", path)(error)),
        Ok(_) => Err(SocketError::InUse { holder: "another program answers", path: path.to_owned() }),
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    // Before there is a file: it is then made with at most these rights, so that nobody else can slip in
    // before `set_permissions` adds what the umask took.
    fchmod(&socket, Mode::from_bits_truncate(MODE))?;
    socket.bind(path)?;
    socket.listen(BACKLOG)
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SocketError {
    let path = path.to_owned();
    move |source| SocketError::Io { doing, path, source }
}
