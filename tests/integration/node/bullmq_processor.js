// What a process of BullMQ's own does with a job.
module.exports = async (job) => {
  await job.updateProgress({ done: "half" });
  return job.data.number ** 2;
};
