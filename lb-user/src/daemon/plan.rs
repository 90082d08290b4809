//! `plan`: a reload that stops before anything is applied, and what it would do to live sessions.

use super::{core::Core, handle::Answer};
use crate::{
    api::{BackendForecast, Forecast, PlanQuery, Refusal, SessionForecast},
    clock, config,
    plan::{self, Assessment, Impact, Plan},
};

impl Core {
    /// What a reload of the file would change; refused as the reload would be.
    pub(super) async fn forecast(&mut self, query: &PlanQuery, answer: Answer<Result<Forecast, Refusal>>) {
        let Plan { next, changes, .. } = match self.planned(query).await {
            Ok(plan) => plan,
            Err(refusal) => return answer.give(Err(refusal)),
        };
        let (current, settings) = (self.state.clone(), self.program.settings);
        self.aside(
            move |sessions| {
                let mut assessment = Assessment::new(&current, &next, &settings, clock::now());
                sessions.for_each(|session| assessment.session(&session.key, &session.pin))?;
                Ok(assessment.finish())
            },
            |_, impact| answer.give(impact.map(|impact| said(changes, impact)).map_err(Refusal::from)),
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

fn said(changes: Vec<String>, Impact { total, moved, loads }: Impact) -> Forecast {
    Forecast {
        changes,
        sessions: SessionForecast {
            total,
            moved: moved.values().sum(),
            by_reason: moved.iter().map(|(cause, count)| (cause.name().to_owned(), *count)).collect(),
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
