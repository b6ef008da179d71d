//! Whatever can go wrong, on purpose.

use std::collections::VecDeque;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiq::{Client, Inspector};
use kiq_testing::{Entry, FaultProxy, Footprint, Ledger, RedisServer, Weather};

use crate::dice::Dice;
use crate::worker;

const WORKERS: usize = 3;

/// Over how long the speed of work is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// How often to look after those who killed themselves.
const TICK: Duration = Duration::from_millis(50);

pub struct Nemesis {
    server: RedisServer,
    proxy: FaultProxy,
    ledger: Arc<Ledger>,
    dice: Dice,
    workers: Vec<Child>,
    inspector: Inspector,
    /// Jobs a second before the first mishap.
    usual: f64,
}

impl Nemesis {
    pub fn new(server: RedisServer, ledger: Arc<Ledger>, dice: Dice) -> Self {
        let proxy = FaultProxy::to(server.port());
        let inspector = Inspector::new(&Client::connect(&server.url()).unwrap());
        let workers = (0..WORKERS).map(|_| worker::start(&proxy.url(), &ledger)).collect();
        Nemesis { server, proxy, ledger, dice, workers, inspector, usual: 0.0 }
    }

    pub fn server(&self) -> &RedisServer {
        &self.server
    }

    pub fn proxy_url(&self) -> String {
        self.proxy.url()
    }

    /// One mishap of the seed's choice, and what it was.
    pub async fn something(&mut self) -> String {
        let ms = |ms: u64| Duration::from_millis(ms);
        let what = match self.dice.below(12) {
            0 | 1 => self.kill_worker().await,
            2 => self.freeze_past_lease().await,
            3 => {
                let one = self.choose();
                signal(self.workers[one].id(), "STOP");
                self.live(ms(300)).await;
                signal(self.workers[one].id(), "CONT");
                "a worker frozen for less than its lease".to_owned()
            }
            4 => {
                self.stop_one().await;
                "a worker stopped and replaced".to_owned()
            }
            5 => {
                // Down for long enough that leases run out.
                self.everybody_may_lose_the_lease();
                self.server.kill();
                let down = ms(100 + self.dice.below(2000));
                self.live(down).await;
                self.server.restart();
                format!("redis killed, back after {down:?}")
            }
            6 => {
                self.everybody_may_lose_the_lease();
                let pid = self.server.pid().unwrap();
                signal(pid, "STOP");
                let frozen = ms(200 + self.dice.below(4000));
                self.live(frozen).await;
                signal(pid, "CONT");
                format!("redis frozen for {frozen:?}")
            }
            7 => {
                self.proxy.cut();
                "all connections cut".to_owned()
            }
            8 => {
                self.everybody_may_lose_the_lease();
                let weathers = [Weather::BlackHole, Weather::Chopped, Weather::Slow(ms(100)), Weather::Refusing];
                let weather = weathers[self.dice.below(4) as usize];
                self.proxy.weather(weather);
                self.live(ms(2000)).await;
                self.proxy.weather(Weather::Clear);
                format!("{weather:?} for two seconds")
            }
            9 => {
                self.send(&["SCRIPT", "FLUSH", "SYNC"]);
                "scripts forgotten".to_owned()
            }
            10 => {
                self.send(&["CLIENT", "PAUSE", "1000", "WRITE"]);
                "writes paused for a second".to_owned()
            }
            _ => {
                self.send(&["CONFIG", "SET", "maxmemory", "1"]);
                self.live(ms(2000)).await;
                self.send(&["CONFIG", "SET", "maxmemory", "0"]);
                "redis full for two seconds".to_owned()
            }
        };
        self.heal().await;
        let pause = ms(300 + self.dice.below(1500));
        self.live(pause).await;
        what
    }

    /// Returns when the workers again do nine tenths of what they did before the first mishap, or of what comes in if that is
    /// less, counted over a second.
    async fn heal(&mut self) {
        let over = Instant::now();
        let mut window = VecDeque::from([(over, self.ledger.len())]);
        while over.elapsed() < crate::REST {
            self.live(TICK).await;
            window.push_back((Instant::now(), self.ledger.len()));
            while window.front().is_some_and(|(at, _)| at.elapsed() > WINDOW + TICK) {
                window.pop_front();
            }
            let (began, len) = window[0];
            if began.elapsed() >= WINDOW {
                let (stored, ended) = rates(&self.ledger, len, began.elapsed());
                if ended >= 0.9 * stored.min(self.usual) {
                    break;
                }
            }
        }
        let heal = over.elapsed().saturating_sub(WINDOW);
        self.ledger.note(&Entry::Healed { millis: heal.as_millis() as u64 });
    }

    /// Measures what the workers do when nothing goes wrong.
    pub async fn measure_the_usual(&mut self) {
        let (began, len) = (Instant::now(), self.ledger.len());
        self.live(2 * WINDOW).await;
        self.usual = rates(&self.ledger, len, began.elapsed()).1;
    }

    pub async fn kill_worker(&mut self) -> String {
        let one = self.choose();
        let pid = self.workers[one].id();
        self.ledger.note(&Entry::Killed { pid });
        self.workers[one].kill().unwrap();
        self.replace(one);
        format!("worker {pid} killed")
    }

    pub async fn cut_clients(&mut self) -> String {
        self.send(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        "all clients killed".to_owned()
    }

    pub async fn freeze_past_lease(&mut self) -> String {
        let one = self.choose();
        let pid = self.workers[one].id();
        self.ledger.note(&Entry::Frozen { pid });
        signal(pid, "STOP");
        self.live(worker::LEASE * 3).await;
        signal(pid, "CONT");
        format!("worker {pid} frozen past its lease")
    }

    /// Returns when so many jobs are done, or nothing is left.
    pub async fn until_processed(&mut self, jobs: u64) {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(120) {
            if self.inspector.stats().await.is_ok_and(|stats| stats.processed >= jobs || stats.unsettled() == 0) {
                return;
            }
            self.live(Duration::from_millis(10)).await;
        }
    }

    /// Nothing goes wrong any more but what jobs do themselves; those who killed their process are still replaced.
    pub async fn peace(&mut self) {
        self.proxy.weather(Weather::Clear);
        self.send(&["CONFIG", "SET", "maxmemory", "0"]);
        let started = Instant::now();
        while started.elapsed() < crate::REST {
            if self.inspector.stats().await.is_ok_and(|stats| stats.unsettled() == 0) {
                return;
            }
            self.live(TICK).await;
        }
    }

    pub async fn stop_workers(&mut self) {
        for one in 0..self.workers.len() {
            self.told_to_stop(one);
        }
    }

    /// Lets time pass, and replaces workers that killed themselves.
    async fn live(&mut self, time: Duration) {
        let started = Instant::now();
        loop {
            for one in 0..self.workers.len() {
                if self.workers[one].try_wait().unwrap().is_some() {
                    self.ledger.note(&Entry::Killed { pid: self.workers[one].id() });
                    self.replace(one);
                }
            }
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(TICK)).await;
        }
    }

    async fn stop_one(&mut self) {
        let one = self.choose();
        self.told_to_stop(one);
        self.replace(one);
    }

    fn told_to_stop(&mut self, one: usize) {
        let (pid, told) = (self.workers[one].id(), Instant::now());
        signal(pid, "TERM");
        let code = self.workers[one].wait().unwrap().code();
        let allowed = (worker::SHUTDOWN + Duration::from_secs(1)).as_millis() as u64;
        self.ledger.note(&Entry::Exited { pid, code, millis: told.elapsed().as_millis() as u64, allowed });
    }

    /// What the workers take up, the most of any of them, and connections to the server.
    pub fn footprint(&self) -> (Footprint, usize) {
        let most =
            self.workers.iter().map(|worker| Footprint::of(worker.id()).unwrap()).reduce(Footprint::max).unwrap();
        let list = redis::cmd("CLIENT").arg("LIST").arg("TYPE").arg("normal").query(&mut self.server.connection());
        (most, list.map(|list: String| list.lines().count()).unwrap())
    }

    /// Returns when all workers have said that they are there.
    pub async fn until_all_are_there(&mut self) {
        while !self.inspector.stats().await.is_ok_and(|stats| stats.processes == WORKERS) {
            self.live(TICK).await;
        }
    }

    /// Which worker: one that lives.
    fn choose(&mut self) -> usize {
        let one = self.dice.below(WORKERS as u64) as usize;
        if self.workers[one].try_wait().unwrap().is_some() {
            self.ledger.note(&Entry::Killed { pid: self.workers[one].id() });
            self.replace(one);
        }
        one
    }

    fn replace(&mut self, one: usize) {
        let _ = self.workers[one].wait();
        self.workers[one] = worker::start(&self.proxy.url(), &self.ledger);
    }

    fn everybody_may_lose_the_lease(&self) {
        for worker in &self.workers {
            self.ledger.note(&Entry::Frozen { pid: worker.id() });
        }
    }

    fn send(&self, command: &[&str]) {
        redis::cmd(command[0]).arg(&command[1..]).exec(&mut self.server.connection()).unwrap();
    }
}

impl Drop for Nemesis {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

/// Jobs stored, and runs ended, a second.
fn rates(ledger: &Ledger, len: u64, time: Duration) -> (f64, f64) {
    let entries = ledger.entries_since(len);
    let a_second = |is: fn(&&Entry) -> bool| entries.iter().filter(is).count() as f64 / time.as_secs_f64();
    (a_second(|entry| matches!(entry, Entry::Stored { .. })), a_second(|entry| matches!(entry, Entry::End { .. })))
}

fn signal(pid: u32, name: &str) {
    // It may have ended meanwhile.
    let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
}
