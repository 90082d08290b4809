//! `plan`: a reload that stops before anything is applied, and what it would do to live sessions.

use super::{core::Core, handle::Answer, search::Search};
use crate::{
    api::{BackendForecast, Forecast, MovedClient, PlanQuery, Refusal, SessionFilter, SessionForecast},
    clock, config,
    plan::{self, Assessment, Hit, Impact, Plan},
};

impl Core {
    /// What a reload of the file would change; refused as the reload would be.
    pub(super) async fn forecast(&mut self, query: &PlanQuery, answer: Answer<Result<Forecast, Refusal>>) {
        let Plan { next, changes, .. } = match self.planned(query).await {
            Ok(plan) => plan,
            Err(refusal) => return answer.give(Err(refusal)),
        };
        let (current, settings) = (self.state.clone(), self.program.settings);
        self.answer_of(
            &SessionFilter::default(),
            answer,
            move |_, sessions| {
                let mut assessment = Assessment::new(&current, &next, &settings, clock::now());
                sessions.for_each(|session| assessment.session(&session.key, &session.pin))?;
                Ok(assessment.finish())
            },
            |_, search, impact| Ok(said(changes, impact, search)),
        );
    }

    async fn planned(&mut self, query: &PlanQuery) -> Result<Plan, Refusal> {
        // What is no file may block, and the daemon with it.
        if std::fs::metadata(&query.config).is_ok_and(|it| !it.is_file()) {
            let path = query.config.display();
            return Err(Refusal::invalid(format!("{path} is not a regular file that the daemon can read")));
        }
        let wanted = self.prepare(config::read(&query.config)?).await?;
        let inputs = wanted.inputs.for_model(&self.state, &wanted.model);
        Ok(plan::plan(&self.state, &wanted.model, &inputs)?)
    }
}

fn said(changes: Vec<String>, impact: Impact, search: &Search) -> Forecast {
    let Impact { total, moved, loads, biggest } = impact;
    Forecast {
        changes,
        sessions: SessionForecast {
            total,
            moved: moved.values().sum(),
            by_reason: moved.iter().map(|(cause, count)| (cause.name().to_owned(), *count)).collect(),
            biggest: biggest.into_iter().filter_map(|hit| moved_client(hit, search)).collect(),
        },
        backends: loads
            .into_iter()
            .map(|(key, load)| BackendForecast {
                service: key.service,
                backend: key.backend,
                before: load.before,
                after: load.after,
            })
            .collect(),
    }
}

/// In words; `None` if its service is not in the file that is in force.
fn moved_client(hit: Hit, search: &Search) -> Option<MovedClient> {
    let owner = search.owners.get(&hit.key.scope)?;
    Some(MovedClient {
        service: owner.name.clone(),
        client: owner.persistence.known_as(hit.key.client.into())?,
        connections: hit.connections,
        from: hit.from.backend,
        to: hit.to.map(|to| to.backend),
        reason: hit.cause.name().to_owned(),
    })
}
