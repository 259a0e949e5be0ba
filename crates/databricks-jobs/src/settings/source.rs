//! Where code comes from that is not in the workspace.

use crate::wire::{records, words};

records! {
    /// A repository. Tasks take their files from it unless their `source` says otherwise.
    GitSource(
        /// Its URL.
        git_url: String,
        /// Whose it is.
        git_provider: GitProvider,
    ) {
        /// A branch; not together with tag or commit.
        opt git_branch: String,
        /// A tag.
        opt git_tag: String,
        /// A commit.
        opt git_commit: String,
        /// The commit that a run used.
        opt git_snapshot: GitSnapshot,
    }

    /// The commit that a run used.
    GitSnapshot() {
        /// The commit.
        opt used_commit: String,
    }
}

words! {
    /// Who hosts a repository.
    GitProvider {
        /// GitHub.
        GitHub = "gitHub",
        /// GitHub Enterprise.
        GitHubEnterprise = "gitHubEnterprise",
        /// GitLab.
        GitLab = "gitLab",
        /// GitLab, hosted by its users.
        GitLabEnterpriseEdition = "gitLabEnterpriseEdition",
        /// Bitbucket Cloud.
        BitbucketCloud = "bitbucketCloud",
        /// Bitbucket Server.
        BitbucketServer = "bitbucketServer",
        /// Azure DevOps.
        AzureDevOpsServices = "azureDevOpsServices",
        /// AWS CodeCommit.
        AwsCodeCommit = "awsCodeCommit",
    }
}

impl GitSource {
    /// A branch of a repository.
    pub fn branch(
        git_url: impl Into<String>,
        git_provider: GitProvider,
        git_branch: impl Into<String>,
    ) -> Self {
        Self::new(git_url, git_provider).git_branch(git_branch)
    }
}
