// Reads queries from standard input, a JSON object of texts by name; writes for each what Microsoft's own Kusto parser
// says of it: `problems`, and the names of the `columns` that come out. The tables are those of Log Analytics that the
// queries use, with the columns they use.
const { readFileSync } = require("fs");
const { dirname, join } = require("path");

const package_ = dirname(require.resolve("@kusto/language-service-next/package.json"));
require(join(package_, "bridge.min.js"));
require(join(package_, "Kusto.Language.Bridge.min.js"));

const { KustoCode, GlobalState, Symbols } = Kusto.Language;
const TABLES = {
  AppTraces: "(TimeGenerated: datetime, Message: string, SeverityLevel: int, Properties: dynamic)",
  AppRequests: "(TimeGenerated: datetime, Name: string, Success: bool, DurationMs: real)",
};
const tables = Object.entries(TABLES).map(([name, columns]) => Symbols.TableSymbol.From(columns).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("logs", tables));

const each = (list, take) => Array.from({ length: list.Count ?? list.length }, (_, n) => take(list.getItem(n)));
const judge = (text) => {
  const code = KustoCode.ParseAndAnalyze(text, globals);
  return {
    problems: each(code.GetDiagnostics(), (problem) => problem.Message),
    columns: code.ResultType ? each(code.ResultType.Columns, (column) => column.Name) : [],
  };
};
const queries = JSON.parse(readFileSync(0, "utf8"));
const said = Object.fromEntries(Object.entries(queries).map(([name, text]) => [name, judge(text)]));
process.stdout.write(JSON.stringify(said));
