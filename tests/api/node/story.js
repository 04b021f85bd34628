// What a program does that was made for Delighted; it prints what it was told, a line each.
// node story.js PORT KEY ANSWER BOUNCED

const [port, key, answer, bounced] = process.argv.slice(2);
const delighted = require("delighted")(key, {
  host: "127.0.0.1", port: Number(port), base: "/v1", scheme: "http",
});

const tell = (what, told) => console.log(JSON.stringify([what, told]));

async function main() {
  const person = await delighted.person.create({
    email: "cora@example.com", name: "Cora", delay: 86400, properties: { plan: "basic" },
  });
  tell("created", [person.email, person.name, typeof person.survey_scheduled_at]);
  const again = await delighted.person.create({ email: "cora@example.com", name: "Cora B", send: false });
  tell("updated", [again.id === person.id, again.name]);
  await delighted.surveyRequest.deletePending({ person_email: "cora@example.com" });

  const names = [];
  await delighted.person.list({ per_page: 2 }).autoPagingEach((one) => { names.push(one.email); });
  tell("people", names.sort());

  const said = await delighted.surveyResponse.create({ person: person.id, score: 10, comment: "Good" });
  tell("answered", [said.score, said.comment, said.person === person.id]);
  const changed = await delighted.surveyResponse.retrieve(said.id);
  changed.score = 8;
  tell("changed", (await changed.save()).score);
  const known = await delighted.surveyResponse.retrieve(answer, { expand: ["person"] });
  tell("retrieved", [known.score, known.person.email]);
  const answers = await delighted.surveyResponse.all({ per_page: 1, page: 2 });
  tell("second page", answers.length);

  const metrics = await delighted.metrics.retrieve();
  tell("metrics", [metrics.promoter_count, metrics.passive_count, metrics.detractor_count]);

  await delighted.unsubscribe.create({ person_email: "cora@example.com" });
  tell("unsubscribed", (await delighted.unsubscribe.all()).map((one) => one.email));
  tell("bounced", (await delighted.bounce.all()).map((one) => one.email).includes(bounced));

  await delighted.person.delete({ email: "cora@example.com" });
  try {
    await delighted.person.create({ email: "no address" });
  } catch (error) {
    tell("refused", error.type);
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
