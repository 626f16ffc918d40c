"""A sweep's runs in MLflow, found to be deleted. It imports MLflow only once its variables are set."""

from __future__ import annotations

from sweeps.core.environment import set_defaults
from sweeps.tracking.environment import VARIABLES
from sweeps.tracking.location import as_opened


class RunsOfSweep:
    """Every run of one sweep in one store.

    Attributes:
        ids: MLflow's, of those that are not deleted yet.
    """

    def __init__(self, uri: str, experiment: str, journal_id: str) -> None:
        """Find them.

        Args:
            uri: Of the store, already checked.
            experiment: Name of the challenge's experiment.
            journal_id: What tells the sweep from any other.
        """
        set_defaults(VARIABLES)
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=as_opened(uri))
        self.ids: list[str] = []
        found = self._client.get_experiment_by_name(experiment)
        token: str | None = None
        while found is not None:
            page = self._client.search_runs(
                [found.experiment_id],
                filter_string=f"tags.`sweep.id` = '{journal_id}'",
                max_results=1000,
                page_token=token,
            )
            self.ids += [run.info.run_id for run in page]
            token = page.token
            if not token:
                break

    def delete(self) -> None:
        """Delete them, as MLflow's page does: they are marked, and `mlflow gc` frees their space."""
        while self.ids:
            self._client.delete_run(self.ids[-1])
            self.ids.pop()
