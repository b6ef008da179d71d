//! The scripts of `lua/`: one state change each.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{Cmd, Pipeline, Script, Value};

use super::link::{Link, LinkError, is_error};

/// A script and its keys and arguments, ready to be sent.
pub(super) struct Call {
    script: &'static Script,
    source: &'static str,
    command: Cmd,
}

/// The text of a script, as it was compiled in.
#[cfg(not(kiq_lua_from))]
macro_rules! source {
    ($file:literal) => {
        include_str!($file)
    };
}

/// The text of a script as it is in the folder that `KIQ_LUA_FROM` names. Only the mutation check (`tests/mutants.rs`) is
/// built so.
#[cfg(kiq_lua_from)]
macro_rules! source {
    ($file:literal) => {{
        static SOURCE: LazyLock<&str> = LazyLock::new(|| {
            let folder = std::env::var_os("KIQ_LUA_FROM").map(std::path::PathBuf::from);
            let text = folder.and_then(|folder| std::fs::read_to_string(folder.join($file)).ok());
            text.map_or(include_str!($file), |text| text.leak())
        });
        *SOURCE
    }};
}

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(
            pub(super) fn $name(keys: &[String]) -> Call {
                static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(source!($file)));
                Call::new(&SCRIPT, source!($file), keys)
            }
        )*
    };
}

scripts! {
    ack = "lua/ack.lua";
    beat = "lua/beat.lua";
    fetch = "lua/fetch.lua";
    settle = "lua/settle.lua";
    give_back = "lua/give_back.lua";
    mark = "lua/mark.lua";
    release = "lua/release.lua";
    forget = "lua/forget.lua";
    promote = "lua/promote.lua";
    push = "lua/push.lua";
    census = "lua/census.lua";
    probe = "lua/probe.lua";
    relocate = "lua/relocate.lua";
    clear = "lua/clear.lua";
    begin = "lua/begin.lua";
    halt = "lua/halt.lua";
    progress = "lua/progress.lua";
    restore = "lua/restore.lua";
    signal = "lua/signal.lua";
    deploy = "lua/deploy.lua";
}

/// How a fetch copies jobs from a queue into a batch.
///
/// `SORT` copies them inside of the server. It is in the class of dangerous commands, which careful operators deny; then the
/// script reads and writes them, at about twice the cost for the server.
#[derive(Debug, Default)]
pub(super) struct FetchBy {
    may_not_sort: AtomicBool,
}

impl FetchBy {
    pub(super) fn set(&self, may_sort: bool) {
        self.may_not_sort.store(!may_sort, Ordering::Relaxed);
    }

    /// The argument of `lua/fetch.lua`.
    pub(super) fn word(&self) -> &'static str {
        if self.may_not_sort.load(Ordering::Relaxed) { "copy" } else { "sort" }
    }
}

impl Call {
    fn new(script: &'static Script, source: &'static str, keys: &[String]) -> Self {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(keys.len()).arg(keys);
        Call { script, source, command }
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, value: impl redis::ToRedisArgs) -> Self {
        self.command.arg(value);
        self
    }

    /// Sends it, and `after` behind it in the same write. Answers one value for the script and each of `after`.
    ///
    /// A server that does not know the script (it restarted, failed over, or was told to forget) has done nothing: it is
    /// given the script and the same call once more.
    pub(super) async fn send(self, link: &Link, after: &[Cmd]) -> Result<Vec<Value>, LinkError> {
        let mut pipeline = Pipeline::with_capacity(1 + after.len());
        pipeline.add_command(self.command);
        for command in after {
            pipeline.add_command(command.clone());
        }
        let answers = link.send(&pipeline).await?;
        if !answers.first().is_some_and(|answer| is_error(answer, "NOSCRIPT")) {
            return Ok(answers);
        }
        load(self.script, self.source, link).await?;
        link.send(&pipeline).await
    }

    /// The command alone, for a pipeline of the caller's. Who uses it gives the server a script it does not know.
    pub(super) fn into_command(self) -> Cmd {
        self.command
    }

    /// Gives the server the script.
    pub(super) async fn load(&self, link: &Link) -> Result<(), LinkError> {
        load(self.script, self.source, link).await
    }
}

async fn load(script: &Script, source: &str, link: &Link) -> Result<(), LinkError> {
    let mut load = redis::cmd("SCRIPT");
    load.arg("LOAD").arg(source);
    link.ask(load).await?;
    tracing::debug!(script = script.get_hash(), "the server did not know a script and was given it");
    Ok(())
}
