# Short names for the usual commands. ARGS is passed on: make test ARGS="-k camera".
.PHONY: demo test gui environment lint format types docs bench

demo test gui:
	python3 run.py $@ $(ARGS)

environment:
	@python3 -c "import run; run.make_environment(run.COMMANDS['test'].extras)"

lint: environment
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: environment
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

types: environment
	.venv/bin/mypy
	.venv/bin/mypy run.py

docs: environment
	.venv/bin/python -m pip install --quiet --editable ".[docs]"
	.venv/bin/python -m mkdocs build --strict

bench: environment
	set -e; for script in benchmarks/*.py; do echo "==> $$script"; .venv/bin/python "$$script"; done
