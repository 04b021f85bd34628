"""Work for people: tasks with an assignee and a due date, and alarms."""
