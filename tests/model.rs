//! The protocol by which jobs are fetched, acknowledged and reclaimed, searched through exhaustively: every order in which two
//! workers, a crash, a lost reply, an expiring lease and a sweep can happen to two jobs.
//!
//! What is modelled is what each script does in one step, not its text: `fetch.lua` (pop into a batch and its index, under a
//! lease), `ack.lua` (only while the batch is there), `release.lua` (only while the owner has no lease), and the memory of a
//! process, which learns of an answer or does not. The faults are planted one by one at the end: a model that cannot see them
//! proves nothing.
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{HashMap, VecDeque};

const JOBS: usize = 2;
const WORKERS: usize = 2;
/// How many crashes, lost replies and expiries a history may have, together.
const MISHAPS: u8 = 3;

/// A mistake in the protocol, to see that the search finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// The batch is written down as this process's in a step after the pop, as with a plain `LMOVE`.
    RegistersAfterThePop,
    /// Nothing is written down at all, as with `BRPOP`.
    KeepsNothing,
    /// An acknowledgement does not ask whether the batch is still there.
    AcksWithoutTheFence,
    /// A sweep does not ask whether the owner has its lease.
    SweepsTheLiving,
    /// A process does not look for batches of its own that it has not heard of.
    ForgetsLostReplies,
}

/// Where a job is in Redis. It may wrongly be in none, or in two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Job {
    queued: u8,
    /// In the batch of a worker.
    held_by: [bool; WORKERS],
    /// That batch is in its owner's index.
    indexed: [bool; WORKERS],
    done: u8,
    runs: u8,
}

/// What a process knows of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Known {
    #[default]
    Nothing,
    /// It popped it, and has yet to write that down: with a planted mistake only.
    Popped,
    /// It has it, and runs it.
    Running,
    /// It has run it, and has yet to tell.
    Ended,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Process {
    has_lease: bool,
    knows: [Known; JOBS],
    /// Another start of it has taken its place: what it held is nobody's.
    crashed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    jobs: [Job; JOBS],
    processes: [Process; WORKERS],
    mishaps: u8,
}

impl State {
    fn start() -> Self {
        let job = Job { queued: 1, ..Job::default() };
        let process = Process { has_lease: true, ..Process::default() };
        State { jobs: [job; JOBS], processes: [process; WORKERS], mishaps: 0 }
    }

    /// Everything that can happen next.
    fn next(&self, planted: Planted) -> Vec<(String, State)> {
        let mut next = Vec::new();
        for w in 0..WORKERS {
            self.of_worker(w, planted, &mut next);
        }
        next
    }

    fn of_worker(&self, w: usize, planted: Planted, next: &mut Vec<(String, State)>) {
        let process = self.processes[w];
        let is_alive = !process.crashed;
        let may_fail = self.mishaps < MISHAPS;
        let mut step = |name: String, change: &dyn Fn(&mut State)| {
            let mut state = *self;
            change(&mut state);
            next.push((name, state));
        };
        for j in 0..JOBS {
            let job = self.jobs[j];
            if is_alive && process.has_lease && job.queued > 0 && process.knows[j] == Known::Nothing {
                let pop = move |state: &mut State| {
                    let job = &mut state.jobs[j];
                    job.queued -= 1;
                    job.held_by[w] = planted != Planted::KeepsNothing;
                    job.indexed[w] = !matches!(planted, Planted::KeepsNothing | Planted::RegistersAfterThePop);
                };
                step(format!("worker {w} fetches job {j}"), &|state| {
                    pop(state);
                    state.processes[w].knows[j] =
                        if planted == Planted::RegistersAfterThePop { Known::Popped } else { Known::Running };
                });
                if may_fail {
                    step(format!("worker {w} fetches job {j} and does not hear of it"), &|state| {
                        pop(state);
                        state.mishaps += 1;
                    });
                }
            }
            if is_alive && process.knows[j] == Known::Popped {
                step(format!("worker {w} writes down that it has job {j}"), &|state| {
                    state.jobs[j].indexed[w] = true;
                    state.processes[w].knows[j] = Known::Running;
                });
            }
            if is_alive && process.knows[j] == Known::Running {
                step(format!("worker {w} runs job {j}"), &|state| {
                    state.jobs[j].runs += 1;
                    state.processes[w].knows[j] = Known::Ended;
                });
            }
            if is_alive && process.knows[j] == Known::Ended {
                let tell = move |state: &mut State| {
                    let job = &mut state.jobs[j];
                    if job.held_by[w] || matches!(planted, Planted::AcksWithoutTheFence | Planted::KeepsNothing) {
                        job.held_by[w] = false;
                        job.indexed[w] = false;
                        job.done += 1;
                    }
                };
                step(format!("worker {w} tells of job {j}"), &|state| {
                    tell(state);
                    state.processes[w].knows[j] = Known::Nothing;
                });
                if may_fail {
                    step(format!("worker {w} tells of job {j} and does not hear that it was told"), &|state| {
                        tell(state);
                        state.mishaps += 1;
                    });
                }
            }
            // Each sweeps what others hold, and what it holds itself and has not heard of.
            for owner in 0..WORKERS {
                let swept = self.jobs[j].held_by[owner] && self.jobs[j].indexed[owner];
                let is_lost = self.processes[owner].knows[j] == Known::Nothing;
                let may_sweep = if owner == w {
                    is_lost && planted != Planted::ForgetsLostReplies
                } else {
                    !self.processes[owner].has_lease || planted == Planted::SweepsTheLiving
                };
                if is_alive && swept && may_sweep {
                    step(format!("worker {w} puts back job {j} of worker {owner}"), &|state| {
                        let job = &mut state.jobs[j];
                        job.held_by[owner] = false;
                        job.indexed[owner] = false;
                        job.queued += 1;
                    });
                }
            }
        }
        if is_alive && may_fail {
            step(format!("worker {w} crashes"), &|state| {
                let process = &mut state.processes[w];
                *process = Process { crashed: true, has_lease: process.has_lease, ..Process::default() };
                state.mishaps += 1;
            });
            if process.has_lease {
                step(format!("worker {w} is stopped for longer than its lease"), &|state| {
                    state.processes[w].has_lease = false;
                    state.mishaps += 1;
                });
            }
        }
        if is_alive && !process.has_lease {
            step(format!("worker {w} has its lease again"), &|state| state.processes[w].has_lease = true);
        }
        if process.crashed && process.has_lease {
            step(format!("the lease of worker {w} runs out"), &|state| state.processes[w].has_lease = false);
        }
    }

    /// What must hold at every instant.
    fn fault(&self) -> Option<String> {
        for (j, job) in self.jobs.iter().enumerate() {
            let held = job.held_by.iter().filter(|held| **held).count();
            let places = usize::from(job.queued) + held + usize::from(job.done.min(1));
            if places == 0 {
                return Some(format!("job {j} is nowhere"));
            }
            if places > 1 {
                return Some(format!("job {j} is in {places} places"));
            }
            if job.done > 1 {
                return Some(format!("the end of job {j} was counted twice"));
            }
            if job.done > 0 && job.runs == 0 {
                return Some(format!("job {j} ended and never ran"));
            }
            if usize::from(job.runs) > 1 + usize::from(self.mishaps) {
                return Some(format!("job {j} ran {} times after {} mishaps", job.runs, self.mishaps));
            }
        }
        None
    }

    /// Whether all is over: both jobs done.
    fn is_done(&self) -> bool {
        self.jobs.iter().all(|job| job.done > 0)
    }

    /// Whether a worker lives that could go on.
    fn has_survivor(&self) -> bool {
        self.processes.iter().any(|process| !process.crashed)
    }
}

/// Every state that can be reached, breadth first, so that the first history with a fault is a shortest one.
struct Search {
    states: Vec<State>,
    /// How each was reached: from which, by what.
    from: Vec<Option<(usize, String)>>,
    next: Vec<Vec<usize>>,
}

impl Search {
    fn all(planted: Planted) -> Result<Self, String> {
        let mut search = Search { states: vec![State::start()], from: vec![None], next: Vec::new() };
        let mut known = HashMap::from([(State::start(), 0)]);
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            let mut followers = Vec::new();
            for (step, state) in search.states[at].next(planted) {
                let number = *known.entry(state).or_insert_with(|| {
                    search.states.push(state);
                    search.from.push(Some((at, step)));
                    queue.push_back(search.states.len() - 1);
                    search.states.len() - 1
                });
                followers.push(number);
                if let Some(fault) = state.fault() {
                    return Err(format!("{fault}: {}", search.history(number)));
                }
            }
            search.next.push(followers);
        }
        search.no_limbo()?;
        Ok(search)
    }

    /// From every state in which a worker lives, both jobs can still be done.
    fn no_limbo(&self) -> Result<(), String> {
        let mut can_end: Vec<bool> = self.states.iter().map(State::is_done).collect();
        loop {
            let mut has_changed = false;
            for at in (0..self.states.len()).rev() {
                if !can_end[at] && self.next[at].iter().any(|next| can_end[*next]) {
                    can_end[at] = true;
                    has_changed = true;
                }
            }
            if !has_changed {
                break;
            }
        }
        match (0..self.states.len()).find(|at| !can_end[*at] && self.states[*at].has_survivor()) {
            Some(at) => Err(format!("a job is in limbo: {}", self.history(at))),
            None => Ok(()),
        }
    }

    fn history(&self, mut at: usize) -> String {
        let mut steps = Vec::new();
        while let Some((before, step)) = &self.from[at] {
            steps.push(step.as_str());
            at = *before;
        }
        steps.reverse();
        steps.join("; ")
    }
}

#[test]
fn no_history_loses_a_job_or_ends_it_twice() {
    let search = Search::all(Planted::Nothing).unwrap_or_else(|fault| panic!("{fault}"));

    // All of them, and not a handful: both jobs done after every number of mishaps, and both workers gone.
    println!("{} states", search.states.len());
    assert!(search.states.len() > 10_000, "{} states", search.states.len());
    for mishaps in 0..=MISHAPS {
        assert!(search.states.iter().any(|state| state.is_done() && state.mishaps == mishaps));
    }
    assert!(search.states.iter().any(|state| !state.has_survivor()));
    assert!(search.states.iter().any(|state| state.jobs.iter().any(|job| job.runs > 1)));
}

#[test]
fn planted_mistakes_are_found_with_the_history_that_shows_them() {
    for (planted, words) in [
        (Planted::RegistersAfterThePop, "limbo"),
        (Planted::KeepsNothing, "nowhere"),
        (Planted::AcksWithoutTheFence, "counted twice"),
        (Planted::SweepsTheLiving, "times after 0 mishaps"),
        (Planted::ForgetsLostReplies, "limbo"),
    ] {
        let Err(fault) = Search::all(planted) else { panic!("{planted:?} was not found") };
        println!("{planted:?}: {fault}");
        assert!(fault.contains(words), "{planted:?}: {fault}");
    }
}
