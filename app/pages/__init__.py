"""Server-rendered pages of citizens, officers, approvers and auditors."""
