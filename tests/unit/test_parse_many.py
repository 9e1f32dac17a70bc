"""The benchmark of many pipelines measures pipelines that are valid."""

from pathlib import Path

from benchmarks.parse_many import write_pipelines
from include.perennial.pipeline_folder import discover, load_pipeline


def test_each_copy_is_a_valid_pipeline_with_a_dag_file_of_its_own(tmp_path: Path) -> None:
    write_pipelines(3, tmp_path / "pipelines", tmp_path / "dags")

    names = discover(tmp_path / "pipelines")

    assert len(names) == 3
    for name in names:
        assert load_pipeline(name, tmp_path / "pipelines").spec.name == name
        assert f'build_dags("{name}")' in (tmp_path / "dags" / f"{name}.py").read_text()
