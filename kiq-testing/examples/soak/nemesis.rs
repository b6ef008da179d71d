//! Whatever can go wrong, on purpose.

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiq::{Client, Inspector};
use kiq_testing::{Entry, FaultProxy, Ledger, RedisServer, Weather};

use crate::dice::Dice;
use crate::worker;

const WORKERS: usize = 3;

/// How often to look after those who killed themselves.
const TICK: Duration = Duration::from_millis(50);

pub struct Nemesis {
    server: RedisServer,
    proxy: FaultProxy,
    ledger: Arc<Ledger>,
    dice: Dice,
    workers: Vec<Child>,
    inspector: Inspector,
}

impl Nemesis {
    pub fn new(server: RedisServer, ledger: Arc<Ledger>, dice: Dice) -> Self {
        let proxy = FaultProxy::to(server.port());
        let inspector = Inspector::new(&Client::connect(&server.url()).unwrap());
        let workers = (0..WORKERS).map(|_| worker::start(&proxy.url(), &ledger)).collect();
        Nemesis { server, proxy, ledger, dice, workers, inspector }
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
        let pause = ms(300 + self.dice.below(1500));
        self.live(pause).await;
        what
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
        for worker in &mut self.workers {
            signal(worker.id(), "TERM");
            worker.wait().unwrap();
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
        signal(self.workers[one].id(), "TERM");
        self.workers[one].wait().unwrap();
        self.replace(one);
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

fn signal(pid: u32, name: &str) {
    // It may have ended meanwhile.
    let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
}
