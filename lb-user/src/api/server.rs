//! The server's side of the control API.

use std::{future::Future, io, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{Method, Uri},
    routing::{get, post},
};

use super::{
    BackendOrder, Control, CrowdQuery, Crowds, Dropped, EventQuery, Events, ExplainQuery, Explanation,
    Forecast, HandOver, HandedOver, Move, MoveOrder, Moves, PlanQuery, Refusal, Reloaded, SessionFilter,
    SessionList, Socket, Status, UndoOrder, Undone, http,
};

/// Answers on the socket until `shutdown` resolves, then removes the socket's file.
///
/// # Errors
/// When the socket stops accepting connections.
pub async fn serve<C: Control>(
    socket: Socket,
    control: Arc<C>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (listener, _file) = socket.into_parts();
    http::serve(listener, router(control), shutdown).await
}

fn router<C: Control>(control: Arc<C>) -> Router {
    Router::new()
        .route("/v1/status", get(status::<C>))
        .route("/v1/explain", get(explain::<C>))
        .route("/v1/plan", get(plan::<C>))
        .route("/v1/sessions", get(list_sessions::<C>).delete(drop_sessions::<C>))
        .route("/v1/crowds", get(crowds::<C>))
        .route("/v1/events", get(events::<C>))
        .route("/v1/moves", get(moves::<C>).post(move_sessions::<C>))
        .route("/v1/moves/undo", post(undo::<C>))
        .route("/v1/reload", post(reload::<C>))
        .route("/v1/hand-over", post(hand_over::<C>))
        .route("/v1/backend", post(backend::<C>))
        .fallback(unknown)
        .with_state(control)
}

async fn status<C: Control>(State(control): State<Arc<C>>) -> Result<Json<Status>, Refusal> {
    Ok(Json(control.status().await?))
}

async fn explain<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Json<Explanation>, Refusal> {
    let Query(query) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    control.explain(query).await.map(Json)
}

async fn plan<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<PlanQuery>, QueryRejection>,
) -> Result<Json<Forecast>, Refusal> {
    let Query(query) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    control.plan(query).await.map(Json)
}

async fn list_sessions<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<SessionFilter>, QueryRejection>,
) -> Result<Json<SessionList>, Refusal> {
    let Query(filter) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    control.list_sessions(filter).await.map(Json)
}

async fn drop_sessions<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<SessionFilter>, QueryRejection>,
) -> Result<Json<Dropped>, Refusal> {
    let Query(filter) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    control.drop_sessions(filter).await.map(Json)
}

async fn crowds<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<CrowdQuery>, QueryRejection>,
) -> Result<Json<Crowds>, Refusal> {
    let Query(query) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    control.crowds(query).await.map(Json)
}

async fn events<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<EventQuery>, QueryRejection>,
) -> Result<Json<Events>, Refusal> {
    let Query(query) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    Ok(Json(control.events(query).await?))
}

async fn move_sessions<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<MoveOrder>, QueryRejection>,
) -> Result<Json<Move>, Refusal> {
    let Query(order) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    whole(async move { control.move_sessions(order).await }).await
}

async fn moves<C: Control>(State(control): State<Arc<C>>) -> Result<Json<Moves>, Refusal> {
    control.moves().await.map(Json)
}

async fn undo<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<UndoOrder>, QueryRejection>,
) -> Result<Json<Undone>, Refusal> {
    let Query(order) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    whole(async move { control.undo(order).await }).await
}

async fn reload<C: Control>(State(control): State<Arc<C>>) -> Result<Json<Reloaded>, Refusal> {
    whole(async move { control.reload().await }).await
}

async fn hand_over<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<HandOver>, QueryRejection>,
) -> Result<Json<HandedOver>, Refusal> {
    let Query(order) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    whole(async move { control.hand_over(order).await }).await
}

async fn backend<C: Control>(
    State(control): State<Arc<C>>,
    query: Result<Query<BackendOrder>, QueryRejection>,
) -> Result<Json<Reloaded>, Refusal> {
    let Query(order) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
    whole(async move { control.backend(order).await }).await
}

/// In a task of its own: a client that hangs up must not stop a change half way.
async fn whole<T: Send + 'static>(
    change: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<Json<T>, Refusal> {
    let outcome = tokio::spawn(change).await;
    outcome.map_err(|error| Refusal::failed(format!("the change broke off: {error}")))?.map(Json)
}

async fn unknown(method: Method, uri: Uri) -> Refusal {
    Refusal::not_found(format!(
        "limpet {} knows no {method} {}; ask for /v1/status, /v1/explain, /v1/plan, /v1/sessions, /v1/crowds, /v1/moves, /v1/events, /v1/reload, /v1/hand-over or /v1/backend",
        env!("CARGO_PKG_VERSION"),
        uri.path()
    ))
}
