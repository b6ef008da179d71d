//! One stream of what several programs say: a line at a time, with the name of who says it in front, each in a colour.

use std::io::Write as _;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::task::JoinHandle;

/// Colours that are told apart on dark and on light ground.
const COLOURS: [AnsiColor; 5] =
    [AnsiColor::Cyan, AnsiColor::Magenta, AnsiColor::Blue, AnsiColor::BrightGreen, AnsiColor::BrightRed];

/// Names are given so much room, so that lines begin alike.
const NAME_WIDTH: usize = 8;

/// The longest line that is kept together, in bytes.
const LONGEST: usize = 64 * 1024;

/// Where all go.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    has_colours: Arc<bool>,
}

impl Default for Stream {
    fn default() -> Self {
        let choice = anstream::AutoStream::choice(&std::io::stdout());
        Stream { has_colours: Arc::new(choice != anstream::ColorChoice::Never) }
    }
}

impl Stream {
    pub(super) fn has_colours(&self) -> bool {
        *self.has_colours
    }

    /// The name in its colour.
    pub(super) fn painted(&self, name: &str) -> String {
        let style = style(name);
        format!("{style}{name}{style:#}")
    }

    /// Passes on what is read, until its end.
    pub(super) fn follow(&self, name: &str, from: impl AsyncRead + Send + Unpin + 'static) -> JoinHandle<()> {
        let style = style(name);
        let front = format!("{style}{name:<NAME_WIDTH$}|{style:#} ");
        tokio::spawn(async move {
            let mut from = BufReader::with_capacity(LONGEST, from);
            loop {
                let mut line = Vec::new();
                match next_line(&mut from, &mut line).await {
                    Ok(true) => say(&front, &line),
                    Ok(false) | Err(_) => return,
                }
            }
        })
    }
}

/// A line, or what of it fits; `false` at the end.
async fn next_line(from: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> std::io::Result<bool> {
    loop {
        let read = from.fill_buf().await?;
        if read.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(read.len(), |end| end + 1);
        line.extend(read.iter().take(end.unwrap_or(read.len())));
        from.consume(taken);
        if end.is_some() || line.len() >= LONGEST {
            return Ok(true);
        }
    }
}

/// In one write, so that lines of two programs do not mix. If nobody reads, that is no reason to stop them.
fn say(front: &str, line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    let _ = writeln!(anstream::stdout().lock(), "{front}{}", text.trim_end_matches('\r'));
}

/// By its letters, so that a process keeps its colour.
fn style(name: &str) -> Style {
    let colour = match name {
        "web" => AnsiColor::Cyan,
        "worker" => AnsiColor::Magenta,
        "cargo" => return AnsiColor::Green.on_default(),
        other => {
            let sum: usize = other.bytes().map(usize::from).sum();
            COLOURS.get(sum % COLOURS.len()).copied().unwrap_or(AnsiColor::Blue)
        }
    };
    colour.on_default().bold()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let text = [vec![b'x'; LONGEST + 10], b"\nshort\nlast".to_vec()].concat();
        let mut from = BufReader::with_capacity(LONGEST, text.as_slice());
        let mut lengths = Vec::new();
        loop {
            let mut line = Vec::new();
            match next_line(&mut from, &mut line).await {
                Ok(true) => lengths.push(line.len()),
                _ => break,
            }
        }
        assert_eq!(lengths, [LONGEST, 10, 5, 4]);
    }
}
