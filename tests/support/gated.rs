//! The catalog as one process sees it: before and after each of its verbs something may happen, as a gate has it.

use std::fmt::Debug;
use std::sync::Arc;

use raic::catalog::archive::{Archive, Sink, Source};
use raic::catalog::journal::{Position, Segment};
use raic::catalog::ledger::{Advisory, Ended, Entry, Lease, Ledger, ShareKey, Upload};
use raic::catalog::record::{
    Census, Commit, Committed, Debt, Doomed, EpochRow, Extent, Found, Fragment, Health, Intent, Member, OpenGeneration,
    Piece, Pin, Usage, Version, Waiting,
};
use raic::catalog::shipment::Shipment;
use raic::catalog::{Answer, Catalog};
use raic::fragment::id::{ExtentId, Generation, ProviderId, WriterId};

/// What a verb has to pass.
pub(crate) trait Gate: Debug + Send + Sync {
    /// Lets the call through, or not; `writes` is false for those that only read.
    fn pass<'a, T: Send + 'a>(&'a self, verb: &'static str, writes: bool, call: Answer<'a, T>) -> Answer<'a, T>;
}

/// A catalog behind a gate.
#[derive(Debug)]
pub(crate) struct Gated<G> {
    pub(crate) inner: Arc<dyn Archive>,
    pub(crate) gate: G,
}

macro_rules! gated {
    ($port:ident: $($writes:literal $verb:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)* $({$($rest:tt)*})?) => {
        impl<G: Gate> $port for Gated<G> {
            $($($rest)*)?
            $(fn $verb(&self, $($argument: $kind),*) -> Answer<'_, $answer> {
                self.gate.pass(stringify!($verb), $writes, self.inner.$verb($($argument),*))
            })*
        }
    };
}

gated! { Catalog:
    true claim_epoch(epoch: u64, writer: WriterId) -> ();
    true intend(intent: Intent) -> ();
    true commit(commit: Commit) -> Committed;
    true close(generation: Generation, doom_at: i64) -> ();
    true settle_void(generation: Generation, void: ExtentId, fragments: Vec<Fragment>) -> ();
    true mark(fragments: Vec<Fragment>) -> ();
    true begin_move(fragment: Fragment) -> ();
    true finish_move(fragment: Fragment, doom_at: i64) -> ();
    true adopt(found: Vec<Found>, now: i64) -> ();
    true await_providers(waiting: Vec<Waiting>) -> ();
    true learn_epochs(epochs: Vec<EpochRow>) -> ();
    false doomed(now: i64, limit: usize) -> Vec<Doomed>;
    true deleted(fragments: Vec<Fragment>) -> ();
    true postpone(fragments: Vec<Fragment>, again_at: i64) -> ();
    true set_members(version: u64, members: Vec<Member>) -> ();
    true save_probe(provider: ProviderId, probe: String) -> ();
    true pin(pin: Pin) -> ();
    true unpin(id: [u8; 16]) -> ();
    false head(name: &str) -> Option<Version>;
    false versions(prefix: &str, after: Option<&str>, limit: usize) -> Vec<Version>;
    false pieces(name: &str, generation: Generation, from: u64, to: u64) -> Vec<Piece>;
    false extents(name: &str) -> Vec<Piece>;
    false open_generations() -> Vec<OpenGeneration>;
    false issued() -> Vec<Generation>;
    false debts(limit: usize) -> Vec<Debt>;
    false awaited() -> Vec<Waiting>;
    false epochs() -> Vec<EpochRow>;
    false members() -> (u64, Vec<Member>);
    false probe(provider: ProviderId) -> Option<String>;
    false census(away: &[ProviderId]) -> Census;
    false ailing(away: &[ProviderId], limit: usize) -> Vec<(String, Health)>;
    false usage() -> Vec<Usage>;
    false extents_on(provider: ProviderId, after: Option<ExtentId>, limit: usize) -> Vec<ExtentId>;
    false extent(id: ExtentId) -> Option<(Extent, Vec<Fragment>)>;
    false check() -> Vec<String>;
}

gated! { Ledger:
    true enter(entries: Vec<Entry>) -> ();
    false leases(mutable: bool, index: [u8; 16]) -> Vec<Lease>;
    false ended(ended: Ended, after: Option<ShareKey>, limit: usize) -> Vec<ShareKey>;
    true advise(advisory: Advisory, most: usize) -> ();
    true answered(share: ShareKey, at: i64) -> ();
    false advisories() -> Vec<Advisory>;
    true note_uploads(ended: Vec<ShareKey>, begun: Vec<Upload>) -> ();
    false uploads() -> Vec<Upload>;
}

gated! { Archive:
    false position() -> Position;
    true keep_changes() -> Position;
    false changes(after: u64, most: usize) -> Option<Segment>;
    true forget_changes(up_to: u64) -> ();
    true replay(segment: Segment) -> Position;
    false export(sink: Sink) -> Position;
    true import(source: Source) -> Position;
    true supersede(source: Source) -> Position;
    true note_shipment(shipment: Shipment) -> ();
    false shipments() -> Vec<Shipment>;
    true forget_shipment(generation: Generation) -> ();
    {
        fn exports_aside(&self) -> bool {
            self.inner.exports_aside()
        }
    }
}
