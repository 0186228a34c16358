#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The documentation of the configuration: its tables come from the schema, its examples are valid,
and both programs that check a file say the same about it."""
import json
import pathlib
import re
import shutil
import tempfile
import unittest

import support
from support import ROOT, SCRIPTS, program, run

CORPUS = ROOT / "tests" / "fuzz" / "corpus"


class DocsTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        for name in ("docs/configuration.md", "docs/man/headgate.yaml.5.scd",
                     "docs/headgate.schema.json", "scripts/docs"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        self.docs = self.root / "scripts" / "docs"
        self.page = self.root / "docs" / "configuration.md"
        self.manual = self.root / "docs" / "man" / "headgate.yaml.5.scd"
        self.schema = self.root / "docs" / "headgate.schema.json"

    def assert_exit(self, code, *command):
        done = run(*command)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def test_the_tables_are_those_of_the_schema(self):
        self.assert_exit(0, SCRIPTS / "docs", "--check")

    def test_a_stale_table_is_found_and_written_again(self):
        schema = json.loads(self.schema.read_text())
        schema["properties"]["netns"]["description"] = "Something new."
        self.schema.write_text(json.dumps(schema))
        before = self.page.read_text()
        self.assertIn("scripts/docs", self.assert_exit(1, self.docs, "--check").stderr)
        self.assertEqual(self.page.read_text(), before)
        self.assert_exit(0, self.docs)
        self.assertIn("| absolute | Something new. |\n", self.page.read_text())
        self.assertIn("\n*netns*\n\tSomething new.", self.manual.read_text())
        self.assert_exit(0, self.docs, "--check")

    def test_the_manual_has_the_sections_that_the_schema_refers_to(self):
        self.manual.write_text(self.manual.read_text().replace("# PENALTY\n", "# PENALTIES\n"))
        self.assertIn("has no section '# PENALTY'", self.assert_exit(1, self.docs).stderr)

    def test_the_manual_escapes_what_scdoc_would_take_for_markup(self):
        schema = json.loads(self.schema.read_text())
        schema["properties"]["netns"]["description"] = "A `b_c*` and _d of [e](f.md)."
        self.schema.write_text(json.dumps(schema))
        self.assert_exit(0, self.docs)
        self.assertIn("\tA *b\\_c\\** and \\_d of e.++\n", self.manual.read_text())

    def test_a_page_without_tables_is_an_error(self):
        self.page.write_text("# Configuration\n")
        self.assertIn("<!-- keys:", self.assert_exit(1, self.docs).stderr)
        shutil.copy(ROOT / "docs" / "configuration.md", self.page)
        self.manual.write_text("# KEYS\n")
        self.assertIn("; keys:", self.assert_exit(1, self.docs).stderr)

    def test_usage(self):
        self.assertIn("Usage", self.assert_exit(0, self.docs, "--help").stdout)
        self.assert_exit(2, self.docs, "--nonsense")


class CheckTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = pathlib.Path(temporary.name) / "headgate.yaml"

    def check(self):
        """The exit code and the message of both programs, which are the same."""
        daemon = run(program("headgated"), "--config", self.path, "--check")
        ctl = run(program("headgatectl"), "check", self.path)
        self.assertEqual(daemon.returncode, ctl.returncode, daemon.stderr + ctl.stderr)
        if daemon.returncode != 0:
            messages = [re.search(re.escape(str(self.path.parent)) + ".*", done.stderr).group()
                        for done in (daemon, ctl)]
            self.assertEqual(*messages)
            return daemon.returncode, messages[0]
        return 0, ""

    def test_both_programs_say_the_same(self):
        codes = set()
        for path in sorted(CORPUS.glob("*.yaml")):
            with self.subTest(path=path.name):
                shutil.copy(path, self.path)
                code, _ = self.check()
                codes.add(code)
        self.assertEqual(codes, {0, 1})

    def test_the_examples_are_valid(self):
        blocks = re.findall(r"^```yaml\n(rules:|defaults:)(.*?)^```$",
                            (ROOT / "docs" / "configuration.md").read_text(), re.DOTALL | re.M)
        self.assertTrue(blocks)
        for block in blocks:
            self.path.write_text("".join(block))
            self.assertEqual(self.check(), (0, ""))

    def test_both_read_the_settings_beside_the_file(self):
        self.path.write_text("rules: [{ name: web, listen: 443 }]\n")
        settings = self.path.with_name("headgate.set.yaml")
        settings.write_text("set:\n  - { rule: web, key: mode, value: monitor }\n")
        self.assertEqual(self.check(), (0, ""))
        settings.write_text("set:\n  - { rule: old, key: mode, value: monitor }\n")
        code, message = self.check()
        self.assertEqual(code, 1)
        self.assertIn(f"{settings}:2:5: ", message)
        self.assertIn("there is no rule 'old'", message)


if __name__ == "__main__":
    support.main()
