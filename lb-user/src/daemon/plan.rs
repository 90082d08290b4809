//! `plan`: a reload that stops before anything is applied, and what it would do to live sessions.

use super::core::Core;
use crate::{
    api::{BackendForecast, Forecast, PlanQuery, Refusal, SessionForecast},
    clock, config,
    plan::{self, Assessment, Impact},
};

impl Core {
    /// What a reload of the file would change; refused as the reload would be.
    pub(super) async fn forecast(&mut self, query: &PlanQuery) -> Result<Forecast, Refusal> {
        // What is no file may block, and the daemon with it.
        if std::fs::metadata(&query.config).is_ok_and(|it| !it.is_file()) {
            let path = query.config.display();
            return Err(Refusal::invalid(format!("{path} is not a regular file that the daemon can read")));
        }
        let wanted = self.prepare(config::read(&query.config)?).await?;
        let inputs = wanted.inputs.for_model(&self.state, &wanted.model);
        let plan = plan::plan(&self.state, &wanted.model, &inputs)?;
        let settings = &self.program.settings;
        let mut assessment = Assessment::new(&self.state, &plan.next, settings, clock::now());
        self.program.kernel.for_each_session(|session| assessment.session(&session.key, &session.pin))?;
        let Impact { total, moved, loads } = assessment.finish();
        Ok(Forecast {
            changes: plan.changes,
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
        })
    }
}
