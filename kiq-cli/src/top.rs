//! `top`: a live view of queues, what runs, and processes.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use clap::ArgMatches;
use kiq::inspect::{ProcessState, Queue, Running, Stats};
use kiq::{BrokerError, Inspector, Payload, Timestamp};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

use crate::output::{Fault, length};

/// How long a key waits for its answer at most.
const KEYS: Duration = Duration::from_millis(100);

/// Rates are over so long.
const RATES_OVER: Duration = Duration::from_secs(60);

/// Jobs that are read of those that run.
const MOST_RUNNING: usize = 1000;

/// One look at everything.
struct Sample {
    stats: Stats,
    queues: Vec<Queue>,
    running: Vec<Running>,
    processes: Vec<ProcessState>,
    at: Timestamp,
    taken: Instant,
}

impl Sample {
    async fn take(inspector: &Inspector) -> Result<Self, BrokerError> {
        let mut queues = inspector.queues().await?;
        // What waits longest is what to look at.
        queues.sort_by(|a, b| b.latency.cmp(&a.latency).then(b.size.cmp(&a.size)).then(a.name.cmp(&b.name)));
        Ok(Sample {
            stats: inspector.stats().await?,
            queues,
            running: inspector.running(MOST_RUNNING).await?,
            processes: inspector.processes().await?,
            at: inspector.now(),
            taken: Instant::now(),
        })
    }
}

/// What is on the screen.
struct View {
    store: String,
    now: Option<Sample>,
    /// When the counters of runs and failures stood where, over the last minute.
    counts: VecDeque<(Instant, [u64; 2])>,
    error: Option<String>,
    is_paused: bool,
}

impl View {
    fn show(&mut self, sample: Sample) {
        self.counts.push_back((sample.taken, [sample.stats.processed, sample.stats.failed]));
        while self.counts.len() > 2 && self.counts.front().is_some_and(|(at, _)| sample.taken - *at > RATES_OVER) {
            self.counts.pop_front();
        }
        self.error = None;
        self.now = Some(sample);
    }

    /// Runs and failures a minute, over the last minute or what there is of it.
    fn rates(&self) -> [String; 2] {
        let (Some((first, from)), Some((last, to))) = (self.counts.front(), self.counts.back()) else {
            return [String::new(), String::new()];
        };
        let minutes = last.duration_since(*first).as_secs_f64() / 60.0;
        let rate = |from: u64, to: u64| match minutes > 0.0 {
            true => format!("{:.0}", to.saturating_sub(from) as f64 / minutes),
            false => "–".to_owned(),
        };
        [rate(from[0], to[0]), rate(from[1], to[1])]
    }
}

pub(crate) async fn run(inspector: &Inspector, given: &ArgMatches) -> Result<(), Fault> {
    if !io::stdout().is_terminal() {
        return Err(Fault::Usage("top needs a terminal; for a script there is `kiqctl stats --json`".to_owned()));
    }
    let every =
        given.get_one::<Duration>("every").copied().unwrap_or(Duration::from_secs(2)).max(Duration::from_millis(200));
    let mut view = View { store: inspector.store(), now: None, counts: VecDeque::new(), error: None, is_paused: false };
    // The first look before the screen changes: an error then stays readable.
    view.show(Sample::take(inspector).await?);
    let mut terminal =
        ratatui::try_init().map_err(|error| Fault::No(format!("this terminal cannot be used: {error}")))?;
    let ended = watch(inspector, every, &mut view, &mut terminal).await;
    ratatui::restore();
    ended.map_err(|error| Fault::No(format!("this terminal cannot be used: {error}")))
}

async fn watch(
    inspector: &Inspector,
    every: Duration,
    view: &mut View,
    terminal: &mut ratatui::DefaultTerminal,
) -> io::Result<()> {
    let mut next = Instant::now() + every;
    loop {
        terminal.draw(|frame| draw(frame, view))?;
        while Instant::now() < next || view.is_paused {
            if !event::poll(KEYS)? {
                continue;
            }
            match event::read()? {
                Event::Key(key) => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                    KeyCode::Char(' ') => view.is_paused = !view.is_paused,
                    _ => continue,
                },
                Event::Resize(..) => {}
                _ => continue,
            }
            terminal.draw(|frame| draw(frame, view))?;
        }
        next = Instant::now() + every;
        match Sample::take(inspector).await {
            Ok(sample) => view.show(sample),
            // The last sample stays, and says how old it is.
            Err(error) => view.error = Some(error.to_string()),
        }
    }
}

fn draw(frame: &mut Frame<'_>, view: &View) {
    let Some(sample) = &view.now else { return };
    let room = frame.area().height.saturating_sub(4);
    let queues = u16::try_from(sample.queues.len()).unwrap_or(u16::MAX).saturating_add(2).clamp(3, (room / 3).max(3));
    let processes =
        u16::try_from(sample.processes.len()).unwrap_or(u16::MAX).saturating_add(2).clamp(3, (room / 3).max(3));
    let areas = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(queues),
        Constraint::Min(3),
        Constraint::Length(processes),
        Constraint::Length(1),
    ]);
    let [head, queue_area, running_area, process_area, foot] = areas.areas(frame.area());
    draw_head(frame, head, view, sample);
    draw_queues(frame, queue_area, sample);
    draw_running(frame, running_area, sample);
    draw_processes(frame, process_area, sample);
    let state = if view.is_paused { "paused" } else { "live" };
    frame.render_widget(Paragraph::new(format!(" q quit · space pause · {state}")).style(dim()), foot);
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn warn() -> Style {
    Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD)
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, view: &View, sample: &Sample) {
    let stats = &sample.stats;
    let slots: usize = sample.processes.iter().map(|process| process.concurrency).sum();
    let [done, failed] = view.rates();
    let state = match &view.error {
        Some(error) => Line::styled(format!("stale for {}: {error}", length(sample.taken.elapsed())), warn()),
        None => Line::styled(view.store.clone(), dim()),
    };
    let lines = vec![
        state,
        Line::from(format!(
            "enqueued {}   running {}/{slots}   retries {}   scheduled {}   dead {}",
            stats.enqueued, stats.in_flight, stats.retries, stats.scheduled, stats.dead
        )),
        Line::from(format!("done/min {done}   failed/min {failed}")),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

/// A table under a title; says how many rows have no room.
fn table<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    title: &str,
    heads: &[&'a str],
    widths: &[Constraint],
    rows: Vec<Row<'a>>,
) {
    let room = usize::from(area.height.saturating_sub(2));
    let title = match rows.len().saturating_sub(room) {
        0 => format!(" {title} "),
        hidden => format!(" {title}, {hidden} more "),
    };
    let head = Row::new(heads.iter().map(|head| Cell::from(*head))).style(dim());
    let block =
        Block::new().borders(Borders::TOP).title(Span::styled(title, Style::new().add_modifier(Modifier::BOLD)));
    frame.render_widget(Table::new(rows, widths.to_vec()).header(head).block(block), area);
}

fn draw_queues(frame: &mut Frame<'_>, area: Rect, sample: &Sample) {
    let rows = sample.queues.iter().map(|queue| {
        let served = sample.processes.iter().filter(|process| !process.is_quiet && process.serves(&queue.name)).count();
        let (state, style) = match (queue.is_paused, served, queue.size) {
            (true, ..) => ("paused", warn()),
            (_, 0, 1..) => ("nobody serves it", warn()),
            _ => ("", Style::new()),
        };
        let cells = [
            queue.name.clone(),
            format!("{:>7}", queue.size),
            length(queue.latency),
            served.to_string(),
            state.to_owned(),
        ];
        Row::new(cells.map(|cell| Cell::from(plain(&cell)))).style(style)
    });
    let widths = [
        Constraint::Max(36),
        Constraint::Length(9),
        Constraint::Length(11),
        Constraint::Length(9),
        Constraint::Length(17),
    ];
    table(
        frame,
        area,
        "queues, the longest wait first",
        &["queue", "   size", "latency", "processes", ""],
        &widths,
        rows.collect(),
    );
}

fn draw_running(frame: &mut Frame<'_>, area: Rect, sample: &Sample) {
    let rows = sample.running.iter().map(|run| {
        let (class, jid) = Payload::parse(&run.payload)
            .map_or((String::new(), String::new()), |job| (job.class().to_owned(), job.jid().to_string()));
        let cells = [length(sample.at.since(run.run_at)), class, jid, run.queue.clone(), run.process.clone()];
        Row::new(cells.map(|cell| Cell::from(plain(&cell))))
    });
    let widths =
        [Constraint::Length(10), Constraint::Max(36), Constraint::Length(24), Constraint::Max(12), Constraint::Max(24)];
    table(
        frame,
        area,
        "running, the longest first",
        &["for", "class", "jid", "queue", "process"],
        &widths,
        rows.collect(),
    );
}

fn draw_processes(frame: &mut Frame<'_>, area: Rect, sample: &Sample) {
    let rows = sample.processes.iter().map(|process| {
        let silent = sample.at.since(process.beat_at);
        let is_late = silent > Duration::from_secs(30);
        let cells = [
            process.identity.clone(),
            process.tag.clone(),
            format!("{}/{}", process.busy, process.concurrency),
            format!("{} M", process.rss_kib / 1024),
            length(silent),
            if process.is_quiet { "quiet" } else { "" }.to_owned(),
        ];
        Row::new(cells.map(|cell| Cell::from(plain(&cell)))).style(if is_late { warn() } else { Style::new() })
    });
    let widths = [
        Constraint::Max(48),
        Constraint::Max(12),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(6),
    ];
    table(frame, area, "processes", &["process", "tag", "busy", "memory", "beat", ""], &widths, rows.collect());
}

/// Without what would move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
