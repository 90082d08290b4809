//! How the API reaches the daemon's task: a question with a place for its answer.

use anyhow::{Result, anyhow};
use tokio::sync::{mpsc, oneshot};

use crate::api::{
    BackendOrder, Control, CrowdQuery, Crowds, Dropped, EventQuery, Events, ExplainQuery, Explanation,
    Forecast, HandOver, HandedOver, Move, MoveOrder, Moves, PlanQuery, Refusal, Reloaded, SessionFilter,
    SessionList, Status, UndoOrder, Undone,
};

/// Where an answer goes.
#[derive(Debug)]
pub(super) struct Answer<T>(oneshot::Sender<T>);

impl<T> Answer<T> {
    /// Answers; one who no longer waits is no error.
    pub(super) fn give(self, answer: T) {
        drop(self.0.send(answer));
    }
}

/// A question.
#[derive(Debug)]
pub(super) enum Command {
    Status(Answer<Result<Status>>),
    Explain(ExplainQuery, Answer<Result<Explanation, Refusal>>),
    Plan(PlanQuery, Answer<Result<Forecast, Refusal>>),
    ListSessions(SessionFilter, Answer<Result<SessionList, Refusal>>),
    Crowds(CrowdQuery, Answer<Result<Crowds, Refusal>>),
    DropSessions(SessionFilter, Answer<Result<Dropped, Refusal>>),
    Events(EventQuery, Answer<Events>),
    Move(MoveOrder, Answer<Result<Move, Refusal>>),
    Moves(Answer<Result<Moves, Refusal>>),
    Undo(UndoOrder, Answer<Result<Undone, Refusal>>),
    Reload(Answer<Result<Reloaded, Refusal>>),
    HandOver(HandOver, Answer<Result<HandedOver, Refusal>>),
    Backend(BackendOrder, Answer<Result<Reloaded, Refusal>>),
}

/// The daemon as the API knows it.
#[derive(Debug)]
pub(super) struct Handle {
    commands: mpsc::Sender<Command>,
}

impl Handle {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T> {
        let stopping = || anyhow!("the daemon is stopping");
        let (sender, answer) = oneshot::channel();
        self.commands.send(command(Answer(sender))).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }
}

impl Control for Handle {
    async fn status(&self) -> Result<Status> {
        self.ask(Command::Status).await?
    }

    async fn explain(&self, query: ExplainQuery) -> Result<Explanation, Refusal> {
        self.ask(|answer| Command::Explain(query, answer)).await?
    }

    async fn plan(&self, query: PlanQuery) -> Result<Forecast, Refusal> {
        self.ask(|answer| Command::Plan(query, answer)).await?
    }

    async fn list_sessions(&self, filter: SessionFilter) -> Result<SessionList, Refusal> {
        self.ask(|answer| Command::ListSessions(filter, answer)).await?
    }

    async fn crowds(&self, query: CrowdQuery) -> Result<Crowds, Refusal> {
        self.ask(|answer| Command::Crowds(query, answer)).await?
    }

    async fn drop_sessions(&self, filter: SessionFilter) -> Result<Dropped, Refusal> {
        self.ask(|answer| Command::DropSessions(filter, answer)).await?
    }

    async fn events(&self, query: EventQuery) -> Result<Events> {
        self.ask(|answer| Command::Events(query, answer)).await
    }

    async fn move_sessions(&self, order: MoveOrder) -> Result<Move, Refusal> {
        self.ask(|answer| Command::Move(order, answer)).await?
    }

    async fn moves(&self) -> Result<Moves, Refusal> {
        self.ask(Command::Moves).await?
    }

    async fn undo(&self, order: UndoOrder) -> Result<Undone, Refusal> {
        self.ask(|answer| Command::Undo(order, answer)).await?
    }

    async fn hand_over(&self, order: HandOver) -> Result<HandedOver, Refusal> {
        self.ask(|answer| Command::HandOver(order, answer)).await?
    }

    async fn reload(&self) -> Result<Reloaded, Refusal> {
        self.ask(Command::Reload).await?
    }

    async fn backend(&self, order: BackendOrder) -> Result<Reloaded, Refusal> {
        self.ask(|answer| Command::Backend(order, answer)).await?
    }
}
