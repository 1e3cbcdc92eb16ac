//! What a short object costs over providers that keep references: CPU time of the whole process and allocations, the providers' and the bench's own
//! included.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use raic::store::Store;

use crate::counting::so_far;
use crate::{get_as, median, put_as, store};

const LEN: usize = 4 << 10;
/// Objects of a round.
const OBJECTS: usize = 400;
const ROUNDS: usize = 7;

/// What a round took, for each of its objects.
struct Cost {
    cpu: Duration,
    wall: Duration,
    allocations: u64,
    bytes: u64,
}

pub(crate) async fn costs(folder: &Path) {
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let store = store("sharing", folder.path()).await;
    let data: Arc<Vec<u8>> = Arc::new((0..=250_u8).cycle().take(LEN).collect());
    for at_once in [1, 16] {
        let (mut puts, mut gets) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            puts.push(round(&store, &data, at_once, true).await);
            gets.push(round(&store, &data, at_once, false).await);
            store.sweep(100_000).await.expect("old blobs go");
        }
        say("put", at_once, &puts);
        say("get", at_once, &gets);
    }
}

fn say(verb: &str, at_once: usize, rounds: &[Cost]) {
    let time = |of: fn(&Cost) -> Duration| median(&rounds.iter().map(of).collect::<Vec<_>>()).as_secs_f64() * 1e6;
    let count = |of: fn(&Cost) -> u64| {
        let mut counts: Vec<u64> = rounds.iter().map(of).collect();
        counts.sort_unstable();
        counts[counts.len() / 2]
    };
    println!(
        "small  {verb} of {LEN} bytes, {at_once:2} at once: {:4.0} µs of CPU, {:4.0} µs by the wall, {} allocations of {} bytes together",
        time(|cost| cost.cpu),
        time(|cost| cost.wall),
        count(|cost| cost.allocations),
        count(|cost| cost.bytes),
    );
}

async fn round(store: &Arc<Store>, data: &Arc<Vec<u8>>, at_once: usize, put: bool) -> Cost {
    let (cpu, begin, (times, bytes)) = (on_cpu(), Instant::now(), so_far());
    let all = stream::iter(0..OBJECTS).map(|number| async move {
        let name = format!("o{number}");
        if put {
            put_as(store, &name, data, true).await;
        } else {
            get_as(store, &name, data, true).await;
        }
    });
    all.buffer_unordered(at_once).collect::<Vec<()>>().await;
    let (times_after, bytes_after) = so_far();
    let objects = u32::try_from(OBJECTS).expect("few");
    Cost {
        cpu: on_cpu().saturating_sub(cpu) / objects,
        wall: begin.elapsed() / objects,
        allocations: (times_after - times) / u64::from(objects),
        bytes: (bytes_after - bytes) / u64::from(objects),
    }
}

/// How long the threads of this process have had a CPU; those that ended are not counted, and in a round none does.
fn on_cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
