// `node src/main.ts keys FOLDER [--production]` draws keys; `node src/main.ts serve SETTINGS` runs the wallet.
import { readFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { App, nameOf } from "./app.ts";
import { type Configuration, MustNotStart, readConfiguration } from "./configuration.ts";
import { Control } from "./control.ts";
import { addCustomer } from "./customers.ts";
import { Database } from "./database.ts";
import { drawKeys } from "./keys.ts";
import { Links } from "./links.ts";
import { Newsroom } from "./news.ts";

const LOOPBACK = "127.0.0.1";
const REQUEST_MS = 15_000;
/** Whoever is being served when the wallet is told to end has this long. */
const LAST_MS = 10_000;

function serve(configuration: Configuration): void {
  const database = new Database(configuration.database);
  if (configuration.isDevelopment) addCustomer(database, "demo", "demo");
  const [links, newsroom] = [new Links(configuration, database), new Newsroom(configuration, database)];
  const app = new App(configuration, database, links, newsroom);
  const servers = [listen(serverOf(configuration, app.handle), configuration.listen)];
  if (configuration.control !== undefined) {
    const control = new Control(database, links, newsroom);
    // news come here too: in development they are posted over plain HTTP, to this machine alone
    const handle: RequestListener = (request, response) =>
      void ("webhook-id" in request.headers
        ? app.handle(request, response)
        : control.handle(request, response));
    servers.push(listen(createServer(handle), { host: LOOPBACK, port: configuration.control }));
  }
  const work = (): void => void newsroom.pull().then(() => links.goOn()).catch(complain);
  const working = setInterval(work, configuration.pullSeconds * 1000);
  work();
  const stop = (): void => {
    clearInterval(working);
    void Promise.all([...servers.map(close), newsroom.settled()]).then(() => database.close());
  };
  process.once("SIGTERM", stop).once("SIGINT", stop);
}

/** Take no more, let those who are being served be served, and wait no longer than that takes. */
function close(server: Server): Promise<void> {
  const last = setTimeout(() => server.closeAllConnections(), LAST_MS);
  return new Promise((resolve) => {
    server.close(() => {
      clearTimeout(last);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function serverOf({ tls }: Configuration, handle: RequestListener): Server {
  if (!tls) return createServer(handle);
  return createTlsServer({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) }, handle);
}

function listen(server: Server, where: { host: string; port: number }): Server {
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  server.on("error", (fault: NodeJS.ErrnoException) => {
    process.stderr.write(`${where.host}:${where.port} cannot be listened on: ${fault.code}\n`);
    process.exit(2);
  });
  return server.listen(where.port, where.host);
}

function complain(fault: unknown): void {
  process.stderr.write(`${nameOf(fault)}\n`);
}

function main([command, place, option]: string[]): void {
  if (command === "keys" && place) return drawKeys(place, option === "--production" ? "production" : "development");
  if (command === "serve" && place) return serve(readConfiguration(place));
  throw new MustNotStart("usage: keys FOLDER [--production] | serve SETTINGS");
}

try {
  main(process.argv.slice(2));
} catch (fault) {
  if (!(fault instanceof MustNotStart)) throw fault;
  process.stderr.write(`${fault.message}\n`);
  process.exitCode = 2;
}
