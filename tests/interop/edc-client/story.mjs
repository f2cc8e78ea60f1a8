// The client's own calls, in the order an integrator makes them, against two running nodes.  Reads {provider, consumer, source}
// as JSON from its first argument, writes what it saw as one JSON object; the Python test judges it.
import { EdcConnectorClient, EdcConnectorClientError, PolicyBuilder } from "@think-it-labs/edc-connector-client";

const { provider, consumer, source } = JSON.parse(process.argv[2]);
const EDC = "https://w3id.org/edc/v0.0.1/ns/";
const at = (node) => new EdcConnectorClient.Builder().apiToken(node.token).managementUrl(node.management).build().management;
const [ours, theirs] = [at(provider), at(consumer)];
const party = { counterPartyAddress: provider.dsp, counterPartyId: provider.id };
const seen = {};

async function until(read, ...states) {
  for (let tries = 0; tries < 300; tries++) {
    const found = await read();
    if (states.includes(found.state)) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never ${states}`);
}

async function refused(call) {
  try {
    await call();
    return "not refused";
  } catch (error) {
    if (!(error instanceof EdcConnectorClientError)) throw error;
    return error.type;
  }
}

// --- provide -------------------------------------------------------------------------------------
await ours.secrets.create({ "@id": "source-key", value: "s3cr3t" });
seen.secret = (await ours.secrets.get("source-key")).id;
await ours.secrets.update({ "@id": "source-key", value: "s3cr3t-2" });

const address = { type: "HttpData", baseUrl: source, proxyPath: "true", proxyQueryParams: "true", authKey: "X-Key", secretName: "source-key" };
const asset = { "@id": "passport-1", properties: { name: "Battery passport", "dct:type": "passport" }, dataAddress: address };
seen.created = (await ours.assets.create(asset)).createdAt;
seen.again = await refused(() => ours.assets.create(asset));
await ours.assets.update({ ...asset, properties: { ...asset.properties, name: "Battery passport 1" } });
const shown = await ours.assets.get("passport-1");
seen.asset = { name: shown.properties.mandatoryValue("edc", "name"), baseUrl: shown.dataAddress.mandatoryValue("edc", "baseUrl") };
seen.assets = (await ours.assets.queryAll()).map((each) => each.id);
seen.filtered = (
  await ours.assets.queryAll({ filterExpression: [{ operandLeft: `${EDC}name`, operator: "like", operandRight: "Battery%" }], limit: 1 })
).map((each) => each.id);
seen.none = (await ours.assets.queryAll({ filterExpression: [{ operandLeft: "no-such-property", operator: "=", operandRight: "x" }] })).length;

const terms = { permission: [{ action: "use", constraint: [{ leftOperand: `${EDC}inForceDate`, operator: "lteq", rightOperand: "contractAgreement+30d" }] }] };
await ours.policyDefinitions.create({ "@id": "everyone", policy: new PolicyBuilder().type("Set").build() });
await ours.policyDefinitions.create({ "@id": "thirty-days", policy: new PolicyBuilder().type("Set").raw(terms).build() });
seen.policies = (await ours.policyDefinitions.queryAll()).map((each) => each.id);
const [permission] = (await ours.policyDefinitions.get("thirty-days")).policy.permissions;
seen.operand = permission.array("odrl", "constraint")[0].nested("odrl", "leftOperand")["@id"];

const definition = { "@id": "offer-1", accessPolicyId: "everyone", contractPolicyId: "thirty-days" };
await ours.contractDefinitions.create({ ...definition, assetsSelector: [] });
await ours.contractDefinitions.update({ ...definition, assetsSelector: [{ operandLeft: `${EDC}id`, operator: "=", operandRight: "passport-1" }] });
seen.selector = (await ours.contractDefinitions.get("offer-1")).assetsSelector[0].operandRight;
seen.definitions = (await ours.contractDefinitions.queryAll()).map((each) => each.id);

// --- browse, negotiate ---------------------------------------------------------------------------
const catalog = await theirs.catalog.request({ ...party, querySpec: { offset: 0, limit: 10 } });
seen.participant = catalog.participantId;
seen.datasets = catalog.datasets.map((each) => each.id);
const dataset = await theirs.catalog.requestDataset({ ...party, "@id": "passport-1" });
const [offer] = dataset.offers;
seen.stranger = await refused(() => theirs.catalog.request({ ...party, counterPartyId: "did:web:nobody.example" }));

const policy = { ...offer, "@context": "http://www.w3.org/ns/odrl.jsonld", assigner: provider.id, target: "passport-1" };
const opened = await theirs.contractNegotiations.initiate({ ...party, policy });
const agreed = await until(() => theirs.contractNegotiations.get(opened.id), "FINALIZED", "TERMINATED");
seen.negotiation = { state: agreed.state, type: agreed.mandatoryValue("edc", "type") };
seen.state = (await theirs.contractNegotiations.getState(opened.id)).state;
seen.negotiations = (await theirs.contractNegotiations.queryAll()).map((each) => each.id).includes(opened.id);
const agreement = await theirs.contractNegotiations.getAgreement(opened.id);
seen.agreement = {
  asset: agreement.assetId,
  provider: agreement.providerId,
  consumer: agreement.consumerId,
  same: (await theirs.contractAgreements.get(agreement.id)).id === agreement.id,
  listed: (await ours.contractAgreements.queryAll()).map((each) => each.id).includes(agreement.id),
  negotiation: (await theirs.contractAgreements.getNegotiation(agreement.id)).id === opened.id,
  permissions: agreement.policy.permissions.length,
};
seen.over = await refused(() => theirs.contractNegotiations.terminate(opened.id, "too late"));

// --- transfer, fetch -----------------------------------------------------------------------------
const transfer = await theirs.transferProcesses.initiate({ ...party, contractId: agreement.id, transferType: "HttpData-PULL" });
const started = await until(() => theirs.transferProcesses.get(transfer.id), "STARTED", "TERMINATED");
seen.transfer = { state: started.state, asset: started.assetId, contract: started.contractId === agreement.id };
seen.transfers = (await theirs.transferProcesses.queryAll()).map((each) => each.id);
const [edr] = await theirs.edrs.request({ filterExpression: [{ operandLeft: "agreementId", operator: "=", operandRight: agreement.id }] });
seen.edr = { transfer: edr.transferProcessId === transfer.id, asset: edr.assetId, provider: edr.providerId };
const where = await theirs.edrs.dataAddress(edr.transferProcessId);
const [endpoint, authorization] = ["endpoint", "authorization"].map((name) => where.mandatoryValue("edc", name));
const fetched = await fetch(`${endpoint}/part?which=carbon`, { headers: { Authorization: authorization } });
seen.fetched = { status: fetched.status, body: await fetched.json() };

seen.early = await refused(() => theirs.transferProcesses.deprovision(transfer.id));
await theirs.edrs.delete(transfer.id);
seen.forgotten = await refused(() => theirs.edrs.dataAddress(transfer.id));
await theirs.transferProcesses.terminate(transfer.id, "done");
seen.ended = (await until(() => theirs.transferProcesses.getState(transfer.id), "TERMINATED")).state;
seen.afterwards = (await fetch(endpoint, { headers: { Authorization: authorization } })).status;
await theirs.transferProcesses.deprovision(transfer.id);

// --- withdraw ------------------------------------------------------------------------------------
seen.inUse = await refused(() => ours.policyDefinitions.delete("thirty-days"));
await ours.contractDefinitions.delete("offer-1");
await ours.policyDefinitions.delete("thirty-days");
seen.underContract = await refused(() => ours.assets.delete("passport-1"));
seen.empty = (await theirs.catalog.request(party)).datasets.length;
await ours.secrets.delete("source-key");
seen.gone = await refused(() => ours.secrets.get("source-key"));
seen.unreadable = await refused(() => ours.contractDefinitions.create({ accessPolicyId: "everyone" }));

console.log(JSON.stringify(seen));
