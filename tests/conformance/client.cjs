// A client of the TypeScript SDK: its arguments are an address, a token, an era and a notebook.
// It runs a cell, and prints the protocol's version, the tools, the answer and the progress.
const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");

const CODE = "import time\nfor n in range(10):\n    print('step', n, flush=True)\n    time.sleep(0.5)";

async function main([url, token, era, notebook]) {
  const mode = era === "2025-11-25" ? "legacy" : { pin: era };
  const client = new Client(
    { name: "typescript", version: "1" },
    { versionNegotiation: { mode } },
  );
  const headers = { Authorization: `Bearer ${token}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }),
  );
  const { tools } = await client.listTools();
  const progress = [];
  const answer = await client.callTool(
    { name: "insert_cell", arguments: { notebook, source: CODE, execute: true } },
    { onprogress: (step) => progress.push(step) },
  );
  const protocol = client.getNegotiatedProtocolVersion();
  await client.close();
  console.log(JSON.stringify({ protocol, tools: tools.map((tool) => tool.name), answer, progress }));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
