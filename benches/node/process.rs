//! The server's process, as the kernel tells of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How often its memory is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// A process by its number.
#[derive(Clone, Copy)]
pub(crate) struct Process(u32);

/// The most that was seen, in bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Most {
    /// Memory that it held.
    pub(crate) memory: u64,
    /// What its spool files took on disk.
    pub(crate) spool: u64,
}

/// A process that is looked at now and then.
pub(crate) struct Watched {
    end: oneshot::Sender<()>,
    task: JoinHandle<Most>,
}

impl Process {
    pub(crate) fn of(number: u32) -> Process {
        Process(number)
    }

    /// CPU time until now, in clock ticks of 10 ms.
    pub(crate) fn ticks(self) -> u64 {
        let stat = self.read("stat");
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        fields[11].parse::<u64>().expect("ticks") + fields[12].parse::<u64>().expect("ticks")
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(self) -> u64 {
        let status = self.read("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("KiB") << 10
    }

    /// Files and sockets that it has open.
    pub(crate) fn open(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).map_or(0, Iterator::count)
    }

    /// Bytes on disk of files that it has open and that have no name any more, in folders called `spool`.
    fn spool(self) -> u64 {
        let Ok(open) = fs::read_dir(format!("/proc/{}/fd", self.0)) else {
            return 0;
        };
        let spool = |path: &Path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains("/spool/"));
        let paths = open.filter_map(|entry| Some(entry.ok()?.path()));
        let sizes = paths
            .filter(|path| spool(path))
            .filter_map(|path| Some(fs::metadata(path).ok()?.blocks() * 512));
        sizes.sum()
    }

    /// Looks at it until the answer is wanted.
    pub(crate) fn watch(self) -> Watched {
        let (process, (end, mut ended)) = (self, oneshot::channel());
        let task = tokio::spawn(async move {
            let mut most = Most::default();
            loop {
                most.memory = most.memory.max(process.memory());
                most.spool = most.spool.max(process.spool());
                tokio::select! {
                    _ = &mut ended => return most,
                    () = tokio::time::sleep(EVERY) => {}
                }
            }
        });
        Watched { end, task }
    }

    fn read(self, what: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{what}", self.0)).expect("the server runs")
    }
}

impl Watched {
    pub(crate) async fn most(self) -> Most {
        // It listens until then.
        let _ = self.end.send(());
        self.task.await.expect("looking does not panic")
    }
}
