// A client of the TypeScript SDK that logs in by OAuth, and the browser of a person who says yes.
// Its arguments are an address, the browser's cookies and an era; it prints what it was given.
const {
  Client,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} = require("@modelcontextprotocol/client");

const REDIRECT = "http://localhost:3334/callback";

/** The person: sees the question, presses the button, and is sent back to the client. */
async function agree(address, cookie) {
  const page = await (await fetch(address, { headers: { Cookie: cookie } })).text();
  const fields = [...page.matchAll(/name="(_xsrf|question)" value="(.+?)"/g)];
  const form = new URLSearchParams(fields.map(([, name, value]) => [name, value]));
  form.set("answer", "allow");
  const answer = await fetch(new URL("authorize", address), {
    method: "POST",
    headers: { Cookie: cookie },
    body: form,
    redirect: "manual",
  });
  return new URL(answer.headers.get("location")).searchParams;
}

/** What the client keeps of its login. */
class Storage {
  redirectUrl = REDIRECT;
  clientMetadata = { client_name: "TypeScript", redirect_uris: [REDIRECT] };
  clientInformation = () => this.information;
  saveClientInformation = (information) => (this.information = information);
  tokens = () => this.given;
  saveTokens = (tokens) => (this.given = tokens);
  redirectToAuthorization = (address) => (this.address = address);
  codeVerifier = () => this.verifier;
  saveCodeVerifier = (verifier) => (this.verifier = verifier);
}

async function connect(url, authProvider, era) {
  const mode = era === "2025-11-25" ? "legacy" : { pin: era };
  const client = new Client({ name: "typescript", version: "1" }, { versionNegotiation: { mode } });
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider });
  try {
    await client.connect(transport);
    return client;
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await transport.finishAuth(await agree(authProvider.address, authProvider.cookie));
  }
}

async function main([url, cookie, era]) {
  const storage = Object.assign(new Storage(), { cookie });
  const refused = await connect(url, storage, era);
  const client = await connect(url, storage, era);
  const { tools } = await client.listTools();
  await client.close();
  const facts = { wasAsked: !refused, tools: tools.length, tokens: storage.given };
  console.log(JSON.stringify(facts));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
