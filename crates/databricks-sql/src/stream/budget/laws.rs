//! What holds after any sequence of events: nothing is lost, nobody waits for what is there, and every result comes to its
//! end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::pin::Pin;
use std::time::Duration;

use futures::FutureExt;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Begin {
        chunk: u64,
        whole: u64,
        others: usize,
    },
    Reserve {
        chunk: u64,
        bytes: u64,
    },
    Beside {
        chunk: u64,
    },
    Expect {
        of: usize,
        whole: u64,
    },
    /// Asks for more, and gives up at once if that has to be waited for.
    Cover {
        of: usize,
        bytes: u64,
    },
    Set {
        of: usize,
        bytes: u64,
    },
    Shrink {
        of: usize,
        bytes: u64,
    },
    Drop {
        of: usize,
    },
    GiveUp {
        of: usize,
    },
    Raise {
        bytes: u64,
    },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // Most sizes are near the budget; some are what only a hostile server says.
    let bytes = || prop_oneof![8 => 0..150_u64, 1 => Just(1 << 40)];
    let chunk = || 0..6_u64;
    let of = || 0..12_usize;
    prop::collection::vec(
        prop_oneof![
            (chunk(), bytes(), 0..4_usize).prop_map(|(chunk, whole, others)| Event::Begin {
                chunk,
                whole,
                others
            }),
            (chunk(), bytes()).prop_map(|(chunk, bytes)| Event::Reserve { chunk, bytes }),
            chunk().prop_map(|chunk| Event::Beside { chunk }),
            (of(), bytes()).prop_map(|(of, whole)| Event::Expect { of, whole }),
            (of(), bytes()).prop_map(|(of, bytes)| Event::Cover { of, bytes }),
            (of(), bytes()).prop_map(|(of, bytes)| Event::Set { of, bytes }),
            (of(), bytes()).prop_map(|(of, bytes)| Event::Shrink { of, bytes }),
            of().prop_map(|of| Event::Drop { of }),
            of().prop_map(|of| Event::GiveUp { of }),
            (0..20_u64).prop_map(|bytes| Event::Raise { bytes }),
        ],
        0..60,
    )
}

type Asking = Pin<Box<dyn Future<Output = Reservation>>>;

#[derive(Default)]
struct World {
    held: Vec<Reservation>,
    waiting: Vec<Asking>,
}

impl World {
    fn ask(&mut self, budget: &Budget, asking: impl AsyncFnOnce(Budget) -> Reservation + 'static) {
        let budget = budget.clone();
        self.waiting.push(Box::pin(async move { asking(budget).await }));
        self.collect();
    }

    /// Takes what was granted meanwhile. Whoever takes it may let in another one, which stands before him here.
    fn collect(&mut self) {
        let mut before = usize::MAX;
        while self.waiting.len() < before {
            before = self.waiting.len();
            let held = &mut self.held;
            self.waiting
                .retain_mut(|asking| asking.now_or_never().map(|granted| held.push(granted)).is_none());
        }
    }

    fn happens(&mut self, budget: &Budget, event: Event) {
        let some = |of: usize, all: usize| (all > 0).then(|| of % all.max(1));
        match event {
            Event::Begin { chunk, whole, others } => {
                self.ask(budget, async move |budget| budget.begin(chunk, whole, others).await);
            }
            Event::Reserve { chunk, bytes } => {
                self.ask(budget, async move |budget| budget.reserve(chunk, bytes).await);
            }
            Event::Beside { chunk } => self.held.push(budget.nothing(chunk)),
            Event::Raise { bytes } => budget.raise(bytes),
            Event::GiveUp { of } => {
                if let Some(at) = some(of, self.waiting.len()) {
                    drop(self.waiting.remove(at));
                }
            }
            Event::Drop { of } => {
                if let Some(at) = some(of, self.held.len()) {
                    drop(self.held.remove(at));
                }
            }
            Event::Expect { of, whole } => self.change(of, |held| held.expect(whole)),
            Event::Cover { of, bytes } => self.change(of, |held| _ = held.cover(bytes).now_or_never()),
            Event::Set { of, bytes } => self.change(of, |held| held.set(bytes)),
            Event::Shrink { of, bytes } => self.change(of, |held| held.shrink(bytes)),
        }
        self.collect();
    }

    fn change(&mut self, of: usize, change: impl FnOnce(&mut Reservation)) {
        let count = self.held.len().max(1);
        if let Some(held) = self.held.get_mut(of % count) {
            change(held);
        }
    }
}

/// What is counted is what is held, by chunk and in all; and who comes first is not kept waiting for what is there.
fn check(budget: &Budget, world: &World) {
    let state = budget.shared.state();
    assert_eq!(state.used, world.held.iter().map(Reservation::bytes).sum::<u64>());
    for (chunk, share) in &state.chunks {
        let of_it = || world.held.iter().filter(|held| held.chunk == *chunk);
        assert_eq!(
            (share.held, share.reservations),
            (of_it().map(Reservation::bytes).sum(), of_it().count())
        );
    }
    assert_eq!(state.waiting.len(), world.waiting.len());
    if let Some(((chunk, _), waiter)) = state.waiting.first_key_value() {
        assert!(!state.fits(*chunk, waiter.bytes, waiter.others), "{chunk} waits for what is there");
    }
}

/// A chunk of a result as it comes: what is said of it, what it is, and how often it breaks off halfway.
#[derive(Clone, Copy, Debug)]
struct Coming {
    said: u64,
    is: u64,
    fails: u32,
    /// Whether it is asked for once more, beside.
    twice: bool,
}

fn coming() -> impl Strategy<Value = Coming> {
    let size = || prop_oneof![1 => Just(0_u64), 6 => 1..80_u64, 1 => 80..500_u64];
    (size(), size(), 0..3_u32, any::<bool>()).prop_map(|(said, is, fails, twice)| Coming {
        said,
        is,
        fails,
        twice,
    })
}

/// Takes room for a chunk piece by piece, as a download does.
async fn bring(mut held: Reservation, chunk: Coming, beside: Option<Reservation>) -> Reservation {
    for attempt in 0..=chunk.fails {
        held.expect(chunk.is.max(1));
        let until = if attempt < chunk.fails { chunk.is / 2 } else { chunk.is };
        for bytes in (0..=until).step_by(7) {
            if held.lacks(bytes) {
                held.cover(bytes).await;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
    if let Some(mut beside) = beside {
        // It loses, wherever it stands.
        let _ = timeout(Duration::from_millis(3), beside.cover(chunk.is)).await;
    }
    held.set(chunk.is);
    held
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_is_lost_and_nobody_waits_for_what_is_there(limit in 0..200_u64, events in events()) {
        let budget = Budget::new(limit);
        let mut world = World::default();
        for event in events {
            world.happens(&budget, event);
            check(&budget, &world);
        }
        drop(world);
        let state = budget.shared.state();
        prop_assert_eq!((state.used, state.chunks.len(), state.waiting.len()), (0, 0, 0));
    }

    #[test]
    fn every_result_comes_to_its_end_in_order(
        limit in 0..150_u64, chunks in prop::collection::vec(coming(), 1..12), others in 0..5_usize,
        pauses in prop::collection::vec(0..50_u64, 12), gone_after: Option<prop::sample::Index>,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let budget = Budget::new(limit);
        let all = chunks.len();
        let read_on = gone_after.map_or(all, |index| index.index(all) + 1);
        let walked = budget.clone();
        let read = runtime.block_on(async move {
            let (opened, mut queue) = mpsc::channel(2);
            let walker = tokio::spawn(async move {
                for (index, chunk) in (0..).zip(chunks) {
                    let held = walked.begin(index, chunk.said, others).await;
                    let beside = chunk.twice.then(|| walked.nothing(index));
                    if opened.send((index, tokio::spawn(bring(held, chunk, beside)))).await.is_err() {
                        return;
                    }
                }
            });
            let reading = async {
                let mut read = Vec::new();
                while let Some((index, chunk)) = queue.recv().await {
                    let mut chunk: Reservation = chunk.await.unwrap();
                    sleep(Duration::from_millis(pauses[read.len()])).await;
                    chunk.shrink(chunk.bytes());
                    read.push(index);
                    if read.len() == read_on {
                        break;
                    }
                }
                read
            };
            let read = timeout(Duration::from_secs(600), reading).await.expect("it stands still");
            walker.abort();
            read
        });
        drop(runtime);
        prop_assert_eq!(read, (0..read_on as u64).collect::<Vec<_>>());
        let state = budget.shared.state();
        prop_assert_eq!((state.used, state.chunks.len(), state.waiting.len()), (0, 0, 0));
    }
}
